"""The table of states and steps: each state × each step, and what a scan sees."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from engine.errors import PenstockError, Refusal, SpoolError
from engine.spool import quarantine as room
from engine.spool.budget import SUPERVISOR, Budget, measure
from engine.spool.layout import Spool, object_id
from engine.spool.ledger import Ledger
from engine.spool.quarantine import quarantine
from engine.spool.release import Receipt, release, settle
from engine.spool.states import STEPS, Seen, State, Step, after, observe, observe_pass, passes

PASS = "5" * 32
ONE = object_id("a" * 16, 1)
REASON = Refusal("deflate-damaged", "the deflated data set is damaged", offset=17, tag=0x00100010)
RECEIPT = Receipt(digest="d" * 64, size=9)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool.open(tmp_path / "spool")
    for folder in ("in", "out"):
        (spool.folder_of(PASS) / folder).mkdir(parents=True)
    return spool


@pytest.fixture
def ledger(spool: Spool) -> Ledger:
    return Ledger.open(spool.ledger)


@pytest.fixture
def budget(spool: Spool) -> Budget:
    return Budget.attach(spool.run, SUPERVISOR, 10**9)


def put(spool: Spool, state: State) -> None:
    """Lays the files of `ONE` as that state wants them."""
    paths = {
        State.RECEIVING: [spool.part(ONE)],
        State.RECEIVED: [spool.arrival(ONE)],
        State.ADMITTED: [spool.original(PASS, ONE)],
        State.READY: [spool.original(PASS, ONE), spool.plan(PASS, ONE)],
        State.QUARANTINED: [spool.quarantine / f"{ONE}.dcm"],
        State.LEFTOVER: [spool.plan(PASS, ONE)],
        State.GONE: [],
    }
    for path in paths[state]:
        path.write_bytes(b"x" * 9)


def seen(spool: Spool) -> list[State]:
    return [one.state for one in observe(spool) if one.identifier == ONE]


@pytest.mark.parametrize("state", list(State))
def test_a_scan_sees_each_state_by_its_folder(spool: Spool, state: State) -> None:
    put(spool, state)
    inside = PASS if state in {State.ADMITTED, State.READY, State.LEFTOVER} else ""
    expected = [] if state is State.GONE else [Seen(ONE, state, inside, 9)]
    assert list(observe(spool)) == expected


@pytest.mark.parametrize(("state", "step"), list(itertools.product(State, Step)))
def test_each_step_of_each_state_is_in_the_table_or_refused(state: State, step: Step) -> None:
    if (state, step) in STEPS:
        assert after(state, step) is STEPS[state, step]
    else:
        with pytest.raises(SpoolError, match=f"{state} has no step {step}"):
            after(state, step)


def test_only_a_receipt_or_no_acknowledgement_leads_out_of_the_spool() -> None:
    before_gone = {(state, step) for (state, step), end in STEPS.items() if end is State.GONE}
    assert before_gone == {(State.RECEIVING, Step.DISCARD), (State.LEFTOVER, Step.DELETE_PLAN)}
    assert {state for (state, _), end in STEPS.items() if end is State.LEFTOVER} == {State.READY}


def test_every_state_can_be_reached_and_left_except_the_ends() -> None:
    reached = set(STEPS.values()) | {State.RECEIVING}
    assert reached == set(State)
    assert set(State) - {state for state, _ in STEPS} == {State.QUARANTINED, State.GONE}


def test_foreign_names_are_not_objects(spool: Spool) -> None:
    (spool.received / "notes.txt").write_bytes(b"x")
    (spool.received / f"{ONE}.dcm.bak").write_bytes(b"x")
    (spool.passes / "lost+found").mkdir()
    (spool.passes / f".{'6' * 32}").mkdir()
    assert list(observe(spool)) == []
    assert passes(spool) == [PASS]


def test_a_pass_that_vanishes_during_a_scan_is_empty(spool: Spool) -> None:
    assert list(observe_pass(spool, "7" * 32)) == []


@pytest.mark.parametrize("state", [State.RECEIVED, State.ADMITTED, State.READY])
def test_a_refused_object_lies_in_the_quarantine_with_its_reason(
    spool: Spool, ledger: Ledger, budget: Budget, state: State
) -> None:
    put(spool, state)
    source = spool.arrival(ONE) if state is State.RECEIVED else spool.original(PASS, ONE)
    budget.add(measure(spool))
    assert quarantine(spool, ledger, budget, source, ONE, REASON, "" if state is State.RECEIVED else PASS)
    assert seen(spool) == [after(state, Step.REFUSE)]
    told = (spool.quarantine / f"{ONE}.json").read_text()
    assert '"code": "deflate-damaged"' in told and '"(0010,0010)"' in told and '"offset": 17' in told
    assert (spool.quarantine / f"{ONE}.json").stat().st_mode & 0o777 == 0o600
    ledger.flush()
    assert ledger.find(ONE)[0].reason == "deflate-damaged"
    assert budget.used() == measure(spool), "the plan's bytes are given back"


def test_refusing_what_is_gone_leaves_no_reason_behind(spool: Spool, ledger: Ledger, budget: Budget) -> None:
    assert not quarantine(spool, ledger, budget, spool.arrival(ONE), ONE, PenstockError("x", "y"))
    assert list(spool.quarantine.iterdir()) == []


def test_refusing_twice_keeps_the_first(spool: Spool, ledger: Ledger, budget: Budget) -> None:
    put(spool, State.RECEIVED)
    assert quarantine(spool, ledger, budget, spool.arrival(ONE), ONE, REASON)
    assert not quarantine(spool, ledger, budget, spool.arrival(ONE), ONE, REASON)
    assert (spool.quarantine / f"{ONE}.json").exists()


def test_a_reason_without_its_object_is_swept(spool: Spool) -> None:
    (spool.quarantine / f"{ONE}.json").write_bytes(b"{}")
    (spool.quarantine / "half.tmp").write_bytes(b"{")
    put(spool, State.QUARANTINED)
    (spool.quarantine / "other.json").write_bytes(b"{}")
    assert room.sweep(spool) == 2
    assert {path.name for path in spool.quarantine.iterdir()} == {f"{ONE}.dcm", f"{ONE}.json"}


def test_a_release_frees_the_bytes_and_is_told_in_the_ledger(spool: Spool, ledger: Ledger) -> None:
    put(spool, State.READY)
    budget = Budget.attach(spool.run, "uploader", 1000)
    budget.add(18)
    release(spool, PASS, ONE, RECEIPT, budget=budget, ledger=ledger)
    assert seen(spool) == []
    assert budget.used() == 0
    ledger.flush()
    (row,) = ledger.find(ONE)
    assert (row.digest, row.bytes_sent, row.pass_id) == (RECEIPT.digest, 9, PASS)
    assert row.receipted is not None and row.deleted is not None


@pytest.mark.parametrize(("state", "freed"), [(State.LEFTOVER, 9), (State.GONE, 0)])
def test_a_release_that_was_cut_short_is_repeated_without_harm(
    spool: Spool, ledger: Ledger, state: State, freed: int
) -> None:
    put(spool, state)
    budget = Budget.attach(spool.run, "uploader", 1000)
    budget.add(20)
    release(spool, PASS, ONE, RECEIPT, budget=budget, ledger=ledger)
    assert seen(spool) == []
    assert budget.used() == 20 - freed


def test_a_start_settles_the_deletions_that_nobody_told_of(spool: Spool, ledger: Ledger) -> None:
    two = object_id("b" * 16, 2)
    for identifier in (ONE, two):
        ledger.note("receipted", identifier, pass_id=PASS)
    ledger.flush()
    put(spool, State.READY)
    assert settle(spool, ledger) == 1
    assert ledger.find(two)[0].deleted is not None
    assert ledger.find(ONE)[0].deleted is None
