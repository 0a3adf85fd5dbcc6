"""The coordinator's core, driven at will: whatever comes in whatever order, no promise is broken."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.coordinator.decisions import Compare, Found, Persist, Plan, Survey
from engine.spool.layout import association_of
from tests.support.custody import QUIET, REPEAT, World

STUDIES = st.sampled_from(["s1", "s2", "s3", "s4"])
SOPS = st.sampled_from(["1", "2", "3", ""])
BYTES = st.sampled_from([b"x", b"y"])
KINDS = st.sets(st.sampled_from([Survey, Found, Plan, Compare, Persist]))


class Gateway(RuleBasedStateMachine):
    """Senders, a clock, and workers that may be slow with any kind of job; `World` asserts at each step that
    nothing is admitted twice, put into another study's pass, or planned without a key."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(repeat=REPEAT, most_open=2)
        self.opened: list[str] = []
        self.aborted: set[str] = set()
        self.held_when_sealed: list[str] = []
        self.number = 0
        self.last_arrival: dict[str, float] = {}

    def _tell(self) -> None:
        self.world.associations(self.opened, self.aborted)

    @rule()
    def open_association(self) -> None:
        self.number += 1
        self.opened.append(f"{self.number:016x}")
        self._tell()

    @precondition(lambda self: self.opened)
    @rule(study=STUDIES, sop=SOPS, data=BYTES, index=st.integers(0, 10))
    def send(self, study: str, sop: str, data: bytes, index: int) -> None:
        self.world.send(self.opened[index % len(self.opened)], study, sop, data)
        self.last_arrival[study] = self.world.now

    @precondition(lambda self: self.opened)
    @rule(index=st.integers(0, 10), abort=st.booleans())
    def end_association(self, index: int, abort: bool) -> None:
        ended = self.opened.pop(index % len(self.opened))
        if abort:
            self.aborted.add(ended)
        self._tell()

    @rule(kinds=KINDS)
    def slow(self, kinds: set[type]) -> None:
        self.world.release()
        self.world.hold = tuple(kinds)

    @rule()
    def all_answer(self) -> None:
        self.world.release()

    @rule(seconds=st.sampled_from([0.5, QUIET / 2, QUIET, QUIET * 3]))
    def wait(self, seconds: float) -> None:
        before = set(self.world.sealed)
        self.world.wait(seconds)
        assert len(self.world.custody.passes) <= self.world.most_open
        for pass_id in set(self.world.sealed) - before:
            feeders = {association_of(one) for one, where in self.world.where.items() if where == pass_id}
            assert feeders.isdisjoint(self.opened), "sealed although an association holds it"
            members = {one for one, where in self.world.where.items() if where == pass_id}
            assert members <= set(self.world.planned), "sealed with an object unplanned"

    @rule(index=st.integers(0, 100))
    def a_plan_is_found_damaged(self, index: int) -> None:
        there = [(one, where) for one, where in self.world.where.items() if where not in self.world.sealed]
        if there:
            one, where = there[index % len(there)]
            if one in self.world.planned:
                self.world.do(self.world.custody.spoiled(where, one, 1))

    @invariant()
    def nothing_is_lost(self) -> None:
        known = set(self.world.where) | set(self.world.refused) | set(self.world.custody.unresolved)
        assert known == set(self.world.objects)

    def teardown(self) -> None:
        """In the end everybody answers, everybody hangs up, and everything is planned, sealed and forgotten."""
        self.world.release()
        self.opened.clear()
        self._tell()
        for _ in range(3 * len(self.world.objects) + 3):
            self.world.wait(REPEAT)
        world = self.world
        assert set(world.where) | set(world.refused) == set(world.objects)
        assert set(world.planned) >= set(world.where)
        assert set(world.sealed) == set(world.where.values())
        assert world.custody.passes == {} and world.custody.idle
        self._no_study_is_split_without_a_reason()

    def _no_study_is_split_without_a_reason(self) -> None:
        """Two different objects in one pass never share a SOP Instance UID, unless a repeat has the same
        bytes.
        """
        seen: dict[tuple[str, str], bytes] = {}
        for identifier, pass_id in self.world.where.items():
            _, sop, data = self.world.objects[identifier]
            if sop:
                assert seen.setdefault((pass_id, sop), data) == data, "two contents under one UID in a pass"


TestGateway = Gateway.TestCase
TestGateway.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
