"""From a scan of the spool to where the coordinator stopped. Receiver and uploader may be at work meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from engine import log
from engine.coordinator.custody import Pass
from engine.coordinator.pass_states import PassState
from engine.coordinator.routes import group_of
from engine.coordinator.shell import Shell
from engine.coordinator.work import is_durable_plan, sweep_temporaries
from engine.errors import SpoolError
from engine.pseudonymize.telling import note_from_spool
from engine.spool import passfile, quarantine, release
from engine.spool.layout import association_of
from engine.spool.passfile import Study
from engine.spool.states import State, observe_pass, passes
from engine.syncing import sync_folder

_LOG = log.get("recovery")


@dataclass(slots=True)
class Recovered:
    """What a start found: numbers of open and sealed passes, objects to plan, objects given back, leftovers
    removed.
    """

    open: int = 0
    sealed: int = 0
    unplanned: int = 0
    given_back: int = 0
    leftovers: int = 0


def recover(shell: Shell, now: float) -> Recovered:
    """Brings every pass back into hand. Call once, before anything else is decided; `now` is monotonic."""
    found = Recovered()
    passfile.sweep(shell.spool)
    quarantine.sweep(shell.spool)
    release.settle(shell.spool, shell.ledger)
    opened: list[tuple[float, str, bytes, Study]] = []
    for pass_id in passes(shell.spool):
        sweep_temporaries(shell.spool, pass_id)
        _tell_ledger(shell, pass_id)
        _remove_leftovers(shell, pass_id, found)
        kept = _load(shell, pass_id)
        if kept is None:
            _close(shell, pass_id, found)
        else:
            key, study = kept
            opened.append((study.opened, pass_id, key, study))
    for _, pass_id, key, study in sorted(opened, key=lambda one: one[:2]):
        _reopen(shell, pass_id, key, study, now, found)
    _LOG.info(
        "recovered",
        open_passes=found.open,
        sealed_passes=found.sealed,
        unplanned=found.unplanned,
        given_back=found.given_back,
        leftovers=found.leftovers,
    )
    return found


def _tell_ledger(shell: Shell, pass_id: str) -> None:
    """Notes the plans that a dead coordinator could not tell of."""
    try:
        known = shell.ledger.rewritten_in(pass_id)
    except SpoolError:
        return  # a full disk: the ledger cannot be opened now
    for seen in observe_pass(shell.spool, pass_id):
        if seen.state is not State.READY or seen.identifier in known:
            continue
        note_from_spool(shell.spool, shell.ledger, pass_id, seen.identifier)


def _load(shell: Shell, pass_id: str) -> tuple[bytes, Study] | None:
    """Key and study of a pass that can go on; None if it is sealed, or has to be."""
    try:
        key = passfile.load_key(shell.spool, pass_id)
        study = passfile.load_study(shell.spool, pass_id)
    except FileNotFoundError:
        return None
    except SpoolError as error:
        _LOG.failure("pass-damaged", error, **{"pass": pass_id})
        return None
    if not shell.treatments.can_go_on(study):
        # One pass treats all its objects alike: what is unplanned goes into a new one.
        _LOG.warning("pass-of-another-profile-or-secret", **{"pass": pass_id})
        return None
    return key, study


def _reopen(shell: Shell, pass_id: str, key: bytes, study: Study, now: float, found: Recovered) -> None:
    pending: dict[str, int] = {}
    reopened = Pass(pass_id, group_of(study), opened=now, last=now, state=PassState.OPEN, pending=pending)
    for joined in passfile.load_joined(shell.spool, pass_id):
        reopened.feed(association_of(joined.identifier))
    for seen in observe_pass(shell.spool, pass_id):
        if association_of(seen.identifier) not in reopened.fed:
            reopened.feed(association_of(seen.identifier))
        if seen.state is State.ADMITTED:
            pending[seen.identifier] = seen.size
    shell.keys[pass_id] = key
    shell.key_ids[pass_id] = study.key_id
    shell.carry_out(shell.custody.restore(reopened, now))
    found.open += 1
    found.unplanned += len(pending)


def _close(shell: Shell, pass_id: str, found: Recovered) -> None:
    """A pass without a usable key: planned objects wait for their receipts, the others go to a new pass."""
    given_back = frozenset(_unplannable(shell, pass_id))
    for identifier in given_back:
        shell.give_back(pass_id, identifier)
        found.given_back += 1
    if os.path.lexists(shell.spool.tally(pass_id)) and not shell.spool.receipt(pass_id).exists():
        shell.write_receipt(pass_id, given_back)
    folder = shell.spool.folder_of(pass_id)
    for part in ("in", "out"):
        if (folder / part).is_dir():
            sync_folder(folder / part)
    passfile.destroy_key(shell.spool, pass_id)
    shell.sealed.add(pass_id)
    found.sealed += 1


def _unplannable(shell: Shell, pass_id: str) -> Iterator[str]:
    """Objects without a whole plan. Where a key is still there the plans were not made durable yet: they are
    now.
    """
    unsynced = os.path.lexists(shell.spool.key(pass_id))
    for seen in observe_pass(shell.spool, pass_id):
        if seen.state is State.ADMITTED or (
            seen.state is State.READY
            and unsynced
            and not is_durable_plan(shell.spool, pass_id, seen.identifier)
        ):
            yield seen.identifier


def _remove_leftovers(shell: Shell, pass_id: str, found: Recovered) -> None:
    """Plans whose originals are gone: releases that were cut short."""
    for seen in observe_pass(shell.spool, pass_id):
        if seen.state is State.LEFTOVER:
            plan = shell.spool.plan(pass_id, seen.identifier)
            shell.budget.release(release.unlink(plan))
            found.leftovers += 1
