"""Decisions carried out on the spool, and results turned into events: all of the coordinator's I/O but
sockets.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine import log
from engine.coordinator import receipts
from engine.coordinator.counters import Counters
from engine.coordinator.custody import Arrival, Custody
from engine.coordinator.decisions import (
    Admit,
    Compare,
    Decision,
    Found,
    Persist,
    Plan,
    RefuseDouble,
    Seal,
    Survey,
)
from engine.coordinator.members import Members
from engine.coordinator.messages import (
    AnyJob,
    AnyResult,
    Compared,
    CompareJob,
    Founded,
    FoundJob,
    Gone,
    Later,
    Persisted,
    PersistJob,
    PlanJob,
    Planned,
    Refused,
    Surveyed,
    SurveyJob,
)
from engine.coordinator.queues import Queues
from engine.coordinator.receipts import Receipts
from engine.coordinator.routes import Treatments, group, split, treatment_of
from engine.coordinator.work import temporary_plan
from engine.errors import Refusal, SpoolError
from engine.pseudonymize import receipt
from engine.pseudonymize.telling import note_rewritten
from engine.spool import passfile
from engine.spool.budget import Budget
from engine.spool.killpoint import reached
from engine.spool.layout import PLAN, Spool, remove
from engine.spool.ledger import Ledger
from engine.spool.passfile import Joined
from engine.spool.quarantine import quarantine
from engine.spool.release import unlink
from engine.spool.states import files

PUT_OFF_SECONDS: Final = 2.0
_LOG: Final = log.get("coordinator")


@dataclass(slots=True)
class Shell:
    """The hands of the coordinator. `keys` are the keys of the open passes, `key_ids` name their hash secrets; `sealed` the
    passes that wait for receipts; `ready` collects "<pass>/<id>" for the uploader's next hint; `early` the refusals of passes
    that are being founded."""

    spool: Spool
    custody: Custody
    members: Members
    queues: Queues
    ledger: Ledger
    budget: Budget
    counters: Counters
    treatments: Treatments
    receipts: Receipts
    keys: dict[str, bytes] = field(default_factory=dict)
    key_ids: dict[str, str] = field(default_factory=dict)
    sealed: set[str] = field(default_factory=set)
    ready: list[str] = field(default_factory=list)
    early: dict[str, list[tuple[str, Refusal]]] = field(default_factory=dict)

    def carry_out(self, decisions: Iterable[Decision]) -> None:
        """In order, except that what joins one pass is written down together before it is moved."""
        admitted: dict[str, list[Admit]] = {}
        for decision in decisions:
            match decision:
                case Admit():
                    admitted.setdefault(decision.pass_id, []).append(decision)
                case Survey():
                    self.queues.put(SurveyJob(decision.identifier))
                case Plan():
                    self._queue_plan(decision.identifier, decision.pass_id, decision.size)
                case Found():
                    self._found(decision)
                case Compare():
                    self.queues.put(CompareJob(decision.identifier, decision.pass_id, decision.first))
                case Persist():
                    self.queues.put(PersistJob(decision.pass_id))
                case Seal():
                    self._seal(decision.pass_id)
                case RefuseDouble():
                    self._refuse_double(decision)
        for pass_id, joining in admitted.items():
            self._admit(pass_id, joining)

    def results(self, answered: Iterable[tuple[AnyJob, AnyResult]], now: float) -> None:
        """What a worker answered to one batch."""
        decisions: list[Decision] = []
        for job, result in answered:
            size = self.queues.done(job)
            match result:
                case Later():
                    self.queues.put_off(job, now + PUT_OFF_SECONDS, size)
                case Surveyed():
                    decisions += self._surveyed(result, now)
                case Planned():
                    self._planned(result, size)
                case Refused():
                    if not self._refused(result):
                        self.queues.put_off(job, now + PUT_OFF_SECONDS, size)
                case Gone():
                    self.custody.dropped(result.identifier)
                    self.custody.planned(result.identifier, result.pass_id)
                case Founded():
                    self.keys[result.pass_id] = result.key
                    for identifier, reason in self.early.pop(result.pass_id, ()):
                        self._count_refusal(identifier, reason, result.pass_id)
                    decisions += self.custody.founded(result.pass_id)
                case Compared():
                    decisions += self.custody.compared(result.identifier, result.pass_id, result.same, now)
                case Persisted():
                    decisions += self.custody.persisted(result.pass_id, result.damaged)
        self.carry_out(decisions)
        self.members.trim()

    def spoiled(self, pass_id: str, identifier: str) -> None:
        """The uploader found a plan damaged and has unlinked it: make it again, or give the object to
        another pass.
        """
        try:
            size = self.spool.original(pass_id, identifier).stat().st_size
        except FileNotFoundError:
            return  # delivered before that word came
        if pass_id in self.custody.passes:
            self.carry_out(self.custody.spoiled(pass_id, identifier, size))
        else:
            self.give_back(pass_id, identifier)

    def give_back(self, pass_id: str, identifier: str) -> None:
        """An object that its pass cannot plan any more goes back to received/, from where another pass takes
        it.
        """
        self.budget.release(unlink(self.spool.plan(pass_id, identifier)))
        try:
            self.spool.original(pass_id, identifier).rename(self.spool.arrival(identifier))
        except FileNotFoundError:
            return  # delivered
        _LOG.warning("object-given-back", object=identifier, **{"pass": pass_id})

    def discard_sealed(self) -> None:
        """Removes the folders of sealed passes whose last object has gone."""
        for pass_id in list(self.sealed):
            if passfile.discard(self.spool, pass_id) or self._discard_leftovers(pass_id):
                self.sealed.discard(pass_id)

    def _discard_leftovers(self, pass_id: str) -> bool:
        """Plans without any original left: the uploader died between the two, or is between them just now."""
        folder = self.spool.folder_of(pass_id)
        if (folder / "in").exists():
            return False
        for identifier in files(folder / "out", PLAN):
            self.budget.release(unlink(self.spool.plan(pass_id, identifier)))
        return passfile.discard(self.spool, pass_id)

    def _queue_plan(self, identifier: str, pass_id: str, size: int) -> None:
        profile, _, _ = split(self.custody.passes[pass_id].study)
        self.queues.put(
            PlanJob(identifier, pass_id, self.keys[pass_id], profile, self.key_ids.get(pass_id, "")), size
        )

    def _found(self, decision: Found) -> None:
        about = self.treatments.about(decision.study, time.time())
        self.key_ids[decision.pass_id] = about.key_id
        self.queues.put(FoundJob(decision.pass_id, about))
        self.counters.passes(decision.origin).add()
        if decision.origin != "new":
            self.counters.split_studies.add()
        _LOG.info("pass-opened", origin=decision.origin, **{"pass": decision.pass_id})

    def _admit(self, pass_id: str, joining: list[Admit]) -> None:
        """Written down first: after a crash an object in `seen` but not in the pass joins it again."""
        try:
            passfile.join(self.spool, pass_id, [Joined(one.identifier, one.sop) for one in joining])
        except OSError as error:
            # The disk is full. Only second sendings are told from repeats by it, and only after a restart.
            _LOG.failure("seen-not-written", error, **{"pass": pass_id})
        for one in joining:
            try:
                self.spool.arrival(one.identifier).rename(self.spool.original(pass_id, one.identifier))
            except FileNotFoundError:
                self.custody.planned(one.identifier, pass_id)
                _LOG.error("object-vanished", object=one.identifier, **{"pass": pass_id})
                continue
            reached("admitted-before-job")
            self._queue_plan(one.identifier, pass_id, one.size)

    def _seal(self, pass_id: str) -> None:
        reached("persisted-before-seal")
        counted = self.write_receipt(pass_id)
        passfile.destroy_key(self.spool, pass_id)
        self.keys.pop(pass_id, None)
        self.key_ids.pop(pass_id, None)
        self.sealed.add(pass_id)
        self.counters.passes("sealed").add()
        told = {"objects": counted.objects, "quarantined": counted.quarantined.total()} if counted else {}
        _LOG.info("pass-sealed", **{"pass": pass_id}, **told)

    def write_receipt(self, pass_id: str, without: frozenset[str] = frozenset()) -> receipt.Tally | None:
        """The receipt of a pass whose key is about to go; None where it cannot be written. A pass is sealed
        all the same: its key must not outlive it because a disk is full."""
        try:
            study = passfile.load_study(self.spool, pass_id)
            return self.receipts.write(pass_id, treatment_of(study), without)
        except (OSError, SpoolError) as error:
            _LOG.failure("receipt-not-written", error, **{"pass": pass_id})
            return None

    def _surveyed(self, result: Surveyed, now: float) -> list[Decision]:
        self.ledger.note("received", result.identifier, at=result.received, bytes_received=result.size)
        # Without a Study Instance UID there is nothing to group by: such objects never share a pass with others.
        study = result.study or f"object:{result.identifier}"
        about = Arrival(result.identifier, group(result.way, study), result.sop, result.size)
        return self.custody.surveyed(about, now)

    def _planned(self, result: Planned, size: int) -> None:
        self.custody.planned(result.identifier, result.pass_id)
        self.budget.add(result.plan_bytes)
        self.ready.append(f"{result.pass_id}/{result.identifier}")
        note_rewritten(self.ledger, result.pass_id, result.identifier, result)
        self.counters.rewritten.add()
        self.counters.rewritten_bytes.add(size)
        self.counters.plan_bytes.add(result.plan_bytes)
        self.counters.seconds.add(result.seconds)

    def _refused(self, result: Refused) -> bool:
        """False if the disk did not take the reason: the object stays where it is, and is tried again."""
        reason = Refusal(
            result.code, result.message, hint=result.hint, offset=result.offset, tag=result.tag_number
        )
        inside = self.spool.original(result.pass_id, result.identifier)
        if result.pass_id:
            remove(temporary_plan(self.spool, result.pass_id, result.identifier))  # of a worker that died
        source = inside if result.pass_id else self.spool.arrival(result.identifier)
        if not self._quarantine(source, result.identifier, reason, result.pass_id):
            return False
        self.custody.dropped(result.identifier)
        self.custody.planned(result.identifier, result.pass_id)
        return True

    def _refuse_double(self, double: RefuseDouble) -> None:
        reason = Refusal(
            "conflicting-double",
            "one association sent two different objects under one SOP Instance UID",
            hint="ask the sender which of them is right; the first one has been taken",
        )
        self._quarantine(self.spool.arrival(double.identifier), double.identifier, reason, double.pass_id)

    def _quarantine(self, source: Path, identifier: str, reason: Refusal, pass_id: str) -> bool:
        try:
            moved = quarantine(self.spool, self.ledger, self.budget, source, identifier, reason, pass_id)
        except OSError as error:
            _LOG.failure("quarantine-failed", error, object=identifier)
            return False  # a refused double is found again by the next scan of received/
        if moved:
            self._count_refusal(identifier, reason, pass_id)
            self.counters.quarantined(reason.code).add()
            _LOG.warning("object-quarantined", object=identifier, code=reason.code)
        return True

    def _count_refusal(self, identifier: str, reason: Refusal, pass_id: str) -> None:
        if pass_id not in self.keys:
            if pass_id in self.custody.passes:
                self.early.setdefault(pass_id, []).append((identifier, reason))
            return
        try:
            receipts.note_refusal(self.spool, pass_id, identifier, reason.code, reason.tag)
        except OSError as error:
            _LOG.failure(
                "refusal-not-counted", error, object=identifier
            )  # the receipt will say that it is not exact
