"""The decisions about passes: events in, decisions out. No I/O and no clock of its own, so that tests can
drive it at will.

Times are seconds of a monotonic clock. The rules (promises 3 and 4 of docs/custody.md):

    - An object joins the pass that its association already feeds for its study, else the newest that is
    open, else a new one. - Its SOP Instance UID is in that pass already, from an association that was
    released: a second sending, a new pass at once.
      From one that is open or was aborted: a repeat, which joins if its bytes are the same. So does what an
      aborted association left and is seen only after its repeat, as after a power cut. Other bytes
      within one association are refused; from another association they are a second sending.
    - A pass is sealed when nothing came for `quiet`, no association that fed it is open, everything in it is
    planned, and no
      object that came within the quiet time is still to be surveyed. After `cap` it takes nothing more and
      is sealed when planned.
    - Where an association that fed it was aborted, and none has begun to feed it since, `repeat` takes the place of
      `quiet`, if it is longer: the sender will try again.
    - At most `most_open` passes are open: what would open another waits, in received/, until one is sealed.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from engine.coordinator.decisions import (
    Admit,
    Compare,
    Decision,
    Found,
    Origin,
    Persist,
    Plan,
    RefuseDouble,
    Seal,
    Survey,
)
from engine.coordinator.members import Members
from engine.coordinator.pass_states import JOINABLE, WAITS_FOR_PLANS, PassEvent, PassState, after
from engine.errors import SpoolError
from engine.spool.layout import association_of

REMEMBERED = 10_000  # studies whose pass was sealed, to tell a late arrival from a new study
MOST_OPEN = 4096  # passes: each is a folder, a key, and a place in memory


@dataclass(slots=True)
class Pass:
    """One open pass. `pending` are the objects in it that have no plan yet, with their sizes in bytes. `fed` are its
    associations, each with the numbers of its first and its last object among all that joined."""

    pass_id: str
    study: str
    opened: float
    last: float
    state: PassState = PassState.FOUNDING
    fed: dict[str, tuple[int, int]] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    waiting: list[Admit] = field(default_factory=list)

    joined: int = 0

    def take(self, event: PassEvent) -> None:
        self.state = after(self.state, event)

    def feed(self, association: str) -> None:
        """One more object of an association has joined."""
        self.joined += 1
        first, _ = self.fed.get(association, (self.joined, 0))
        self.fed[association] = first, self.joined

    def misses_repeat(self, aborted: frozenset[str]) -> bool:
        """Whether one of the associations that were aborted was not repeated: none began to feed the pass after it."""
        ended = [self.fed[one][1] for one in aborted & self.fed.keys()]
        return bool(ended) and max(ended) >= max(first for first, _ in self.fed.values())


@dataclass(frozen=True, slots=True)
class Arrival:
    """A surveyed object: what it is grouped by (its original Study Instance UID, and how it is to be
    treated), its original SOP Instance UID ("" where it has none), its size in bytes."""

    identifier: str
    study: str
    sop: str
    size: int


class Custody:
    """All open passes, and the objects that are in no pass yet."""

    def __init__(
        self,
        quiet: float,
        cap: float,
        members: Members,
        new_pass_id: Callable[[], str],
        look: Callable[[], tuple[Iterable[str], Iterable[str]]],
        repeat: float = 0.0,
        most_open: int = MOST_OPEN,
    ) -> None:
        """`look()` tells which associations are open and which were aborted, at this moment."""
        self.quiet = quiet
        self.cap = cap
        self.repeat = max(repeat, quiet)
        self.most_open = most_open
        self.passes: dict[str, Pass] = {}
        self.unresolved: OrderedDict[str, float] = OrderedDict()  # arrived, in no pass: when
        self._members = members
        self._new_pass_id = new_pass_id
        self._look = look
        self._by_study: dict[str, list[Pass]] = {}
        self._bound: defaultdict[str, dict[str, Pass]] = defaultdict(dict)
        self._comparing: dict[str, Arrival] = {}
        self._parked: dict[
            str, Arrival
        ] = {}  # of the unresolved: known, but no pass may be opened for them now
        self._open: frozenset[str] = frozenset()
        self._aborted: frozenset[str] = frozenset()
        self._sealed: OrderedDict[str, None] = OrderedDict()

    # Objects

    def arrived(self, identifiers: Iterable[str], now: float) -> list[Decision]:
        """Objects are in received/. Told twice, an object is surveyed once."""
        fresh = [one for one in identifiers if one not in self.unresolved]
        for one in fresh:
            self.unresolved[one] = now
        return [Survey(one) for one in fresh]

    def surveyed(self, arrival: Arrival, now: float) -> list[Decision]:
        """The original UIDs of an object are known: it joins a pass, opens one, or has to be compared first."""
        if arrival.identifier not in self.unresolved or arrival.identifier in self._comparing:
            return []
        self._parked.pop(arrival.identifier, None)
        chosen = self._choose(arrival)
        if chosen is None:
            origin: Origin = "late" if arrival.study in self._sealed else "new"
            return self._open_pass(arrival, origin, now)
        first = self._members.first(chosen.pass_id, arrival.sop) if arrival.sop else None
        if first is None or first == arrival.identifier:
            return self._join(chosen, arrival, now)
        sender = association_of(first)
        own = sender == association_of(arrival.identifier)
        if not own and self._was_released(sender) and association_of(arrival.identifier) not in self._aborted:
            return self._open_pass(arrival, "second-sending", now)
        self._comparing[arrival.identifier] = arrival
        return [Compare(arrival.identifier, chosen.pass_id, first)]

    def compared(self, identifier: str, pass_id: str, same: bool | None, now: float) -> list[Decision]:
        """The answer to Compare; `same` is None when the first is delivered and gone: then the platform
        compares, by digest.
        """
        arrival = self._comparing.pop(identifier, None)
        if arrival is None:
            return []
        chosen = self.passes.get(pass_id)
        if same is not False:
            if chosen is None or chosen.state not in JOINABLE:
                return self.surveyed(arrival, now)
            return self._join(chosen, arrival, now)
        first = self._members.first(pass_id, arrival.sop) if chosen else None
        if first is not None and association_of(first) == association_of(identifier):
            del self.unresolved[identifier]
            return [RefuseDouble(identifier, pass_id)]
        return self._open_pass(arrival, "second-sending", now)

    def dropped(self, identifier: str) -> None:
        """An object left received/ without joining: quarantined, or gone."""
        self.unresolved.pop(identifier, None)
        self._comparing.pop(identifier, None)
        self._parked.pop(identifier, None)

    def planned(self, identifier: str, pass_id: str) -> None:
        """An object of a pass has its plan, or left the pass otherwise (quarantined, delivered before a
        restart).
        """
        known = self.passes.get(pass_id)
        if known is not None:
            known.pending.pop(identifier, None)

    def spoiled(self, pass_id: str, identifier: str, size: int) -> list[Decision]:
        """The plan of an object is damaged or lost. Nothing is decided for a pass that is not open: see
        `Shell.give_back`.
        """
        known = self.passes.get(pass_id)
        if known is None or known.state is PassState.FOUNDING or identifier in known.pending:
            return []
        known.take(PassEvent.SPOILED)
        known.pending[identifier] = size
        return [Plan(identifier, pass_id, size)]

    # Passes

    def founded(self, pass_id: str) -> list[Decision]:
        """A pass is durable: the objects that wait for it may be moved into it."""
        known = self.passes[pass_id]
        known.take(PassEvent.FOUNDED)
        waiting, known.waiting = known.waiting, []
        for one in waiting:
            del self.unresolved[one.identifier]
        return list(waiting)

    def persisted(self, pass_id: str, damaged: dict[str, int]) -> list[Decision]:
        """Every plan of a pass is durable except those `damaged` (object id → size): seal, or make those
        again.
        """
        known = self.passes.get(pass_id)
        if known is None:
            return []
        if damaged:
            return [
                decision for one, size in damaged.items() for decision in self.spoiled(pass_id, one, size)
            ]
        if known.state not in WAITS_FOR_PLANS:
            return []  # something joined meanwhile
        known.take(PassEvent.DURABLE)
        self._forget(known)
        return [Seal(pass_id)]

    def associations(self, opened: Iterable[str], aborted: Iterable[str]) -> None:
        """Which associations are open now, and which ended without a release; all others were released."""
        self._open, self._aborted = frozenset(opened), frozenset(aborted)

    def tick(self, now: float, *, complete: bool = True) -> list[Decision]:
        """Time passes. Call after `associations` and a scan of received/; `complete` is False if that could
        not take all.
        """
        decisions = self._open_for_parked(now)
        oldest = next((since for one, since in self.unresolved.items() if one not in self._parked), None)
        for known in self.passes.values():
            if known.state in {PassState.OPEN, PassState.PERSISTING} and now - known.opened >= self.cap:
                known.take(PassEvent.CAP)
            if known.pending:
                continue
            if known.state is PassState.CLOSING or (
                known.state is PassState.OPEN and complete and self._is_quiet(known, oldest, now)
            ):
                known.take(PassEvent.QUIET)
                decisions.append(Persist(known.pass_id))
        return decisions

    def restore(self, found: Pass, now: float) -> list[Decision]:
        """A pass that a start found on the disk, open; its quiet time and cap begin anew."""
        if found.state is not PassState.OPEN:
            raise SpoolError("pass-event", "only an open pass can be restored")
        found.opened = found.last = now
        self.passes[found.pass_id] = found
        self._by_study.setdefault(found.study, []).append(found)
        return [Plan(identifier, found.pass_id, size) for identifier, size in found.pending.items()]

    @property
    def idle(self) -> bool:
        """Nothing is on its way into a pass or to its plan, but what waits for a place."""
        return not self.undecided and not any(known.pending for known in self.passes.values())

    @property
    def undecided(self) -> int:
        """How many objects are held that are in no pass and do not wait for one to be sealed."""
        return len(self.unresolved) - len(self._parked)

    @property
    def parked(self) -> int:
        """How many objects wait for one pass to be sealed before theirs may be opened."""
        return len(self._parked)

    def unknown_aborted(self) -> set[str]:
        """Aborted associations that no open pass and no object on its way knows: their marks can go."""
        wanted = {one for known in self.passes.values() for one in known.fed}
        wanted.update(association_of(one) for one in self.unresolved)
        return set(self._aborted) - wanted

    def _was_released(self, association: str) -> bool:
        """An association may have begun and been cut off since they were last looked at: then its repeat is no second
        sending."""
        if association not in self._open | self._aborted:
            self.associations(*self._look())
        return association not in self._open | self._aborted

    def _choose(self, arrival: Arrival) -> Pass | None:
        bound = self._bound.get(association_of(arrival.identifier), {}).get(arrival.study)
        if bound is not None and bound.state in JOINABLE:
            return bound
        for known in reversed(self._by_study.get(arrival.study, [])):
            if known.state in JOINABLE:
                return known
        return None

    def _open_for_parked(self, now: float) -> list[Decision]:
        """What waited for room: it joins what was opened meanwhile, or opens a pass as far as there is room."""
        decisions: list[Decision] = []
        for arrival in list(self._parked.values()):
            if len(self.passes) < self.most_open or self._choose(arrival) is not None:
                decisions += self.surveyed(arrival, now)
        return decisions

    def _open_pass(self, arrival: Arrival, origin: Origin, now: float) -> list[Decision]:
        if len(self.passes) >= self.most_open:
            self._parked[arrival.identifier] = arrival
            return []
        made = Pass(self._new_pass_id(), arrival.study, opened=now, last=now)
        self.passes[made.pass_id] = made
        self._by_study.setdefault(made.study, []).append(made)
        return [Found(made.pass_id, made.study, origin), *self._join(made, arrival, now)]

    def _join(self, chosen: Pass, arrival: Arrival, now: float) -> list[Decision]:
        chosen.take(PassEvent.JOIN)
        association = association_of(arrival.identifier)
        chosen.last = max(chosen.last, now)
        chosen.feed(association)
        chosen.pending[arrival.identifier] = arrival.size
        self._bound[association][arrival.study] = chosen
        if arrival.sop:
            self._members.add(chosen.pass_id, arrival.sop, arrival.identifier)
        admit = Admit(arrival.identifier, chosen.pass_id, arrival.sop, arrival.size)
        if chosen.state is PassState.FOUNDING:
            chosen.waiting.append(admit)
            return []
        del self.unresolved[arrival.identifier]
        return [admit]

    def _is_quiet(self, known: Pass, oldest: float | None, now: float) -> bool:
        if not known.fed.keys().isdisjoint(self._open):
            return False
        quiet = self.repeat if known.misses_repeat(self._aborted) else self.quiet
        # An object that came within the quiet time may belong here: wait for its survey.
        return now - known.last >= quiet and (oldest is None or oldest - known.last >= quiet)

    def _forget(self, known: Pass) -> None:
        del self.passes[known.pass_id]
        same_study = self._by_study[known.study]
        same_study.remove(known)
        if not same_study:
            del self._by_study[known.study]
        for association in known.fed:
            bound = self._bound.get(association)
            if bound is not None and bound.get(known.study) is known:
                del bound[known.study]
                if not bound:
                    del self._bound[association]
        self._members.forget(known.pass_id)
        self._sealed[known.study] = None
        self._sealed.move_to_end(known.study)
        while len(self._sealed) > REMEMBERED:
            self._sealed.popitem(last=False)
