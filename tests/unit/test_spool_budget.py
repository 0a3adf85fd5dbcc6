"""The bytes in the spool, counted by many processes without a lock."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from engine.errors import SpoolError
from engine.spool.budget import NAME_BYTES, SLOTS, SUPERVISOR, Budget, measure
from engine.spool.layout import Spool, object_id


def test_a_reservation_over_the_budget_is_refused_and_not_counted(tmp_path: Path) -> None:
    budget = Budget.attach(tmp_path, "receiver", 100)
    assert budget.reserve(100)
    assert not budget.reserve(1)
    assert budget.used() == 100
    assert budget.fraction == 1.0
    budget.release(40)
    assert budget.reserve(40)


def test_bytes_counted_by_one_process_are_returned_by_another(tmp_path: Path) -> None:
    receiver = Budget.attach(tmp_path, "receiver", 100)
    uploader = Budget.attach(tmp_path, "uploader", 100)
    assert receiver.reserve(90)
    assert not uploader.reserve(20)
    uploader.release(90)
    assert receiver.used() == 0


def test_a_process_that_starts_again_goes_on_with_its_slot(tmp_path: Path) -> None:
    first = Budget.attach(tmp_path, "receiver", 100)
    first.add(70)
    first.close()
    again = Budget.attach(tmp_path, "receiver", 100)
    assert again.used() == 70
    again.add(1)
    assert Budget.attach(tmp_path, "other", 100).used() == 71


def test_the_65th_process_is_told_that_there_is_no_slot(tmp_path: Path) -> None:
    for number in range(SLOTS - 1):  # slot 0 is the supervisor's
        Budget.attach(tmp_path, f"process-{number}", 1).close()
    Budget.attach(tmp_path, SUPERVISOR, 1).close()
    with pytest.raises(SpoolError, match="64 processes"):
        Budget.attach(tmp_path, "one-more", 1)


@pytest.mark.parametrize("name", ["", "x" * (NAME_BYTES + 1)])
def test_a_name_that_no_slot_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="1 to 48"):
        Budget.attach(tmp_path, name, 1)


def _count(folder: Path, name: str, times: int) -> None:
    budget = Budget.attach(folder, name, 10**9)
    for _ in range(times):
        budget.add(3)
        budget.release(2)


def test_nothing_is_lost_when_processes_count_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_count, args=(tmp_path, f"child-{n}", 20_000)) for n in range(3)]
    for child in children:
        child.start()
    _count(tmp_path, "parent", 20_000)
    for child in children:
        child.join()
    assert Budget.attach(tmp_path, "reader", 10**9).used() == 80_000


def test_measuring_finds_every_object_and_plan_and_nothing_else(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    one = object_id("a" * 16, 1)
    passed = "0" * 32
    for folder in ("in", "out"):
        (spool.folder_of(passed) / folder).mkdir(parents=True)
    spool.part(one).write_bytes(b"1" * 1)
    spool.arrival(one).write_bytes(b"1" * 10)
    spool.original(passed, one).write_bytes(b"1" * 100)
    spool.plan(passed, one).write_bytes(b"1" * 1000)
    (spool.quarantine / "x.dcm").write_bytes(b"1" * 10_000)
    spool.key(passed).write_bytes(b"k" * 32)
    (spool.run / "noise").write_bytes(b"x" * 7)
    assert measure(spool) == 11_111


@pytest.mark.parametrize(("difference", "used"), [(400, 500), (-70, 30), (0, 100)])
def test_a_correction_puts_the_count_right(tmp_path: Path, difference: int, used: int) -> None:
    receiver = Budget.attach(tmp_path, "receiver", 1000)
    receiver.add(100)
    Budget.attach(tmp_path, SUPERVISOR, 1000).correct(difference)
    assert receiver.used() == used
