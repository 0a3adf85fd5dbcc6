"""Who is next, how much at a time, and what a pass remembers."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from engine.coordinator.lanes import Lanes
from engine.coordinator.members import Members
from engine.coordinator.messages import FoundJob, PersistJob, PlanJob, SurveyJob
from engine.coordinator.queues import BATCH, Queues
from engine.spool.layout import object_id
from engine.spool.passfile import Study

A, B = "a" * 16, "b" * 16


def plan(association: str, number: int) -> PlanJob:
    return PlanJob(object_id(association, number), "0" * 32, b"k" * 32)


def test_one_lane_is_first_in_first_out() -> None:
    lanes: Lanes[int] = Lanes()
    for number in range(5):
        lanes.put("a", 10, number)
    assert [lanes.take()[1] for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        lanes.take()


def test_a_migration_does_not_hold_up_another_sender() -> None:
    lanes: Lanes[str] = Lanes(quantum=100)
    for _ in range(1000):
        lanes.put("migration", 50, "m")
    for _ in range(10):
        lanes.put("daily", 50, "d")
    taken = [lanes.take()[1] for _ in range(22)]
    assert Counter(taken)["d"] == 10


def test_turns_are_measured_in_bytes() -> None:
    lanes: Lanes[str] = Lanes(quantum=100)
    for _ in range(50):
        lanes.put("large", 1000, "L")
        lanes.put("small", 100, "s")
    taken = Counter(lanes.take()[1] for _ in range(44))
    assert 36 <= taken["s"] <= 42


def test_a_lane_that_was_alone_owes_nothing_later() -> None:
    lanes: Lanes[str] = Lanes(quantum=100)
    for _ in range(200):
        lanes.put("a", 1000, "a")
    for _ in range(100):
        lanes.take()
    for _ in range(100):
        lanes.put("b", 1000, "b")
    taken = Counter(lanes.take()[1] for _ in range(100))
    assert 45 <= taken["a"] <= 55


def test_what_is_put_in_comes_out_once() -> None:
    lanes: Lanes[int] = Lanes(quantum=64)
    chance = random.Random(7)
    out: list[int] = []
    for number in range(2000):
        lanes.put(chance.choice("abcdef"), chance.randrange(1, 500), number)
        if chance.random() < 0.4:
            out.append(lanes.take()[1])
    while lanes.peek() is not None:
        out.append(lanes.take()[1])
    assert sorted(out) == list(range(2000)) and len(lanes) == 0


def test_plans_go_before_surveys_and_passes_before_both() -> None:
    queues = Queues(1000)
    queues.put(SurveyJob(object_id(A, 0)))
    queues.put(plan(A, 1), 10)
    queues.put(PersistJob("0" * 32))
    kinds = [type(queues.batch(1)[0]).__name__ for _ in range(3)]
    assert kinds == ["PersistJob", "PlanJob", "SurveyJob"]
    assert queues.batch(1) == []


def test_no_more_bytes_are_in_flight_than_allowed() -> None:
    queues = Queues(100)
    for number in range(10):
        queues.put(plan(A, number), 40)
    first = queues.batch(1)
    assert len(first) == 2 and queues.bytes_in_flight == 80
    assert queues.batch(1) == []
    assert queues.done(first[0]) == 40
    assert len(queues.batch(1)) == 1
    assert queues.bytes_in_flight == 80


def test_surveys_go_on_while_enough_bytes_are_in_flight() -> None:
    queues = Queues(100)
    queues.put(plan(A, 1), 100)
    queues.put(plan(A, 2), 100)
    queues.put(SurveyJob(object_id(A, 3)))
    queues.batch(1)
    assert isinstance(queues.batch(1)[0], SurveyJob)


def test_an_object_larger_than_the_bound_goes_alone() -> None:
    queues = Queues(100)
    queues.put(plan(A, 1), 5000)
    queues.put(plan(A, 2), 1)
    (job,) = queues.batch(1)
    assert queues.batch(1) == []
    queues.done(job)
    assert len(queues.batch(1)) == 1


def test_few_jobs_are_spread_over_the_workers() -> None:
    queues = Queues(10**9)
    for number in range(4):
        queues.put(plan(A, number), 1)
    assert len(queues.batch(2)) == 2
    for number in range(100):
        queues.put(plan(A, number), 1)
    assert len(queues.batch(2)) == BATCH


def test_a_job_that_was_put_off_comes_back_in_its_time() -> None:
    queues = Queues(100)
    study = Study("s", "p", "k", 0.0)
    queues.put_off(FoundJob("0" * 32, study), 10.0)
    queues.put_off(plan(A, 1), 5.0, 60)
    queues.wake(4.9)
    assert queues.waiting == 0 and queues.put_off_count == 2
    queues.wake(5.0)
    assert queues.batch(1) == [plan(A, 1)] and queues.bytes_in_flight == 60
    queues.wake(10.0)
    assert queues.waiting == 1 and queues.put_off_count == 0


def test_members_put_out_of_memory_are_read_again() -> None:
    written: dict[str, list[tuple[str, str]]] = {}
    loads: list[str] = []

    def load(pass_id: str) -> list[tuple[str, str]]:
        loads.append(pass_id)
        return written.get(pass_id, [])

    members = Members(load, most=10)
    for number in range(5):
        for sop in range(4):
            members.add(f"p{number}", f"{sop}", f"{number}-{sop}")
            written.setdefault(f"p{number}", []).append((f"{sop}", f"{number}-{sop}"))
    members.trim()
    assert sum(len(held) for held in members._held.values()) <= 10
    loads.clear()
    assert members.first("p0", "3") == "0-3"
    assert members.first("p0", "4") is None
    assert loads == ["p0"]


def test_the_first_bearer_of_a_uid_is_remembered() -> None:
    members = Members(lambda pass_id: [("1", "x"), ("1", "y")] if pass_id == "p" else [])
    assert members.first("p", "1") == "x"
    members.add("p", "1", "z")
    assert members.first("p", "1") == "x"
    members.forget("p")
    assert members.first("q", "1") is None


def test_jobs_that_wait_for_the_disk_go_together_by_kind() -> None:
    queues = Queues(100)
    study = Study("s", "p", "k", 0.0)
    for number in range(3):
        queues.put(FoundJob(f"{number:032x}", study))
    queues.put(PersistJob("0" * 32))
    kinds = [[type(job).__name__ for job in queues.batch(1)] for _ in range(2)]
    assert kinds == [["FoundJob"] * 3, ["PersistJob"]]


def test_the_wait_of_one_object_at_a_time_is_told() -> None:
    waits: list[float] = []
    queues = Queues(1000, waits.append)
    jobs = [PlanJob(object_id("a" * 16, n), "0" * 32, b"k" * 32) for n in range(3)]
    for job in jobs:
        queues.put(job, 10)
    assert waits == []
    taken = queues.batch(1)
    assert len(taken) == 3 and len(waits) == 1 and waits[0] >= 0.0
    queues.put(jobs[0], 10)
    queues.batch(1)
    assert len(waits) == 2, "the next one is the next to be watched"
