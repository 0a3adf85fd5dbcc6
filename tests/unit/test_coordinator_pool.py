"""The pool: real processes, real deaths."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.coordinator.keyring import Keyring
from engine.coordinator.messages import (
    AnyJob,
    AnyResult,
    Gone,
    PersistJob,
    PlanJob,
    Ready,
    Refused,
    SurveyJob,
)
from engine.coordinator.pool import MOST_KILLS, LocalPool, Member
from engine.coordinator.routes import Routes
from engine.coordinator.work import Work
from engine.coordinator.worker import Start
from engine.errors import ConfigError, PenstockError
from engine.metrics.reading import Snapshot
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.spool.layout import Spool, object_id

POISON, GREEDY = object_id("f" * 16, 13), object_id("f" * 16, 14)
DEADLY = {POISON: signal.SIGSEGV, GREEDY: signal.SIGKILL}


class Mortal(Work):
    """Dies of one object as by a fault in a native core, of another as by the kernel when memory is short."""

    def do(self, job: AnyJob) -> AnyResult:
        if isinstance(job, SurveyJob) and job.identifier in DEADLY:
            os.kill(os.getpid(), DEADLY[job.identifier])
        return super().do(job)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path / "spool")


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as selector:
        yield selector


def starter(spool: Spool) -> Start:
    profile = compiled("default")
    routes = Routes({profile.digest: profile}, profile.digest, {})
    return lambda: (Mortal(spool, routes, Keyring.holding(HashSecret.generate())), "00000000")


def drive(
    pool: LocalPool, selector: selectors.BaseSelector, jobs: list[AnyJob], until: Callable[[], bool]
) -> list[tuple[AnyJob | None, AnyResult]]:
    answers: list[tuple[AnyJob | None, AnyResult]] = []
    waiting = list(jobs)
    while waiting or pool.busy or not until():
        while waiting and pool.has_room:
            pool.give(waiting[:4])
            waiting = waiting[4:]
        for key, _ in selector.select(10.0):
            assert isinstance(key.data, Member)
            answers += pool.read(key.data)
    return answers


def test_workers_say_that_they_are_ready_and_answer_in_order(
    spool: Spool, selector: selectors.BaseSelector
) -> None:
    pool = LocalPool(2, starter(spool), selector)
    jobs: list[AnyJob] = [SurveyJob(object_id("a" * 16, n)) for n in range(20)]
    answers = drive(pool, selector, jobs, lambda: all(one.ready for one in pool.members))
    assert [result for job, result in answers if job is None] == [Ready("00000000")] * 2
    answered = [(job, result) for job, result in answers if job is not None]
    assert sorted(job.identifier for job, _ in answered if isinstance(job, SurveyJob)) == [
        job.identifier for job in jobs if isinstance(job, SurveyJob)
    ]
    assert all(isinstance(job, SurveyJob) and result == Gone(job.identifier, "") for job, result in answered)
    pool.close()


@pytest.mark.parametrize(("deadly", "deaths"), [(POISON, 2), (GREEDY, 1 + MOST_KILLS)])
def test_an_object_that_kills_workers_is_given_up_and_the_others_are_done(
    spool: Spool, selector: selectors.BaseSelector, deadly: str, deaths: int
) -> None:
    pool = LocalPool(2, starter(spool), selector)
    names = [object_id("a" * 16, n) for n in range(10)]
    jobs: list[AnyJob] = [SurveyJob(one) for one in [*names[:5], deadly, *names[5:]]]
    answers = {
        job.identifier: result
        for job, result in drive(pool, selector, jobs, lambda: True)
        if isinstance(job, SurveyJob)
    }
    poisoned = answers.pop(deadly)
    assert isinstance(poisoned, Refused) and poisoned.code == "worker-died"
    assert answers == {one: Gone(one, "") for one in names}
    assert pool.deaths == deaths and len(pool.members) == 2
    pool.close()


def test_a_worker_that_hangs_is_killed_and_its_jobs_are_tried_again(
    spool: Spool, selector: selectors.BaseSelector
) -> None:
    pool = LocalPool(1, starter(spool), selector)
    drive(pool, selector, [], lambda: pool.members[0].ready)
    hung = pool.members[0]
    os.kill(hung.pid, signal.SIGSTOP)
    pool.give([PlanJob(object_id("a" * 16, 1), "0" * 32, b"k" * 32)])
    pool.check()
    hung.since = -1e9
    pool.check()
    answers = [result for job, result in drive(pool, selector, [], lambda: True) if job is not None]
    assert answers == [Gone(object_id("a" * 16, 1), "0" * 32)]
    assert pool.deaths == 1
    pool.close()


def test_workers_that_cannot_begin_say_why(spool: Spool, selector: selectors.BaseSelector) -> None:
    def broken() -> tuple[Work, str]:
        raise ConfigError("secret-missing", "no secret", hint="make one")

    pool = LocalPool(1, broken, selector)
    with pytest.raises(PenstockError, match="no secret; make one"):
        drive(pool, selector, [], lambda: False)
    pool.close()


def test_workers_that_die_before_they_begin_are_not_started_for_ever(
    spool: Spool, selector: selectors.BaseSelector
) -> None:
    def dying() -> tuple[Work, str]:
        os._exit(9)

    pool = LocalPool(2, dying, selector)
    with pytest.raises(PenstockError, match="5 workers in a row"):
        drive(pool, selector, [], lambda: False)
    pool.close()


def open_in(pid: int) -> list[str]:
    """What a process has open; without what it closes just now."""
    targets = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            targets.append(os.readlink(path))
    return targets


def test_a_worker_has_nothing_of_its_parent_open(spool: Spool, selector: selectors.BaseSelector) -> None:
    secret = spool.root / "parents-file"
    with secret.open("wb"):
        pool = LocalPool(1, starter(spool), selector)
        drive(pool, selector, [PersistJob("0" * 32)], lambda: True)
        targets = open_in(pool.members[0].pid)
        assert str(secret) not in targets
        assert len([one for one in targets if one.startswith("socket:")]) == 1
        limits = Path(f"/proc/{pool.members[0].pid}/limits").read_text()
        assert "Max core file size        0" in limits
        pool.close()


def test_a_pool_grows_and_shrinks_and_what_is_in_hand_is_finished(
    spool: Spool, selector: selectors.BaseSelector
) -> None:
    pool = LocalPool(3, starter(spool), selector, spool.run)
    drive(pool, selector, [], lambda: pool.working == 3)
    jobs: list[AnyJob] = [SurveyJob(object_id("a" * 16, n)) for n in range(6)]
    for job in jobs:
        pool.give([job])
    leaving = [one for one in pool.members if one.number > 0]
    pool.resize(1)
    assert pool.staying == 1 and not pool.has_room, (
        "who stays has two batches, and who leaves gets nothing new"
    )
    answers = [job for job, _ in drive(pool, selector, [], lambda: len(pool.members) == 1) if job is not None]
    assert sorted(answers, key=str) == sorted(jobs, key=str)
    assert (pool.wanted, pool.working, pool.deaths, pool.members[0].number) == (1, 1, 0, 0)
    while any(Path(f"/proc/{one.pid}").exists() for one in leaving):
        pool.check()
    pool.resize(4)
    drive(pool, selector, [], lambda: pool.working == 4)
    assert sorted(one.number for one in pool.members) == [0, 1, 2, 3]
    pool.close()


def test_who_was_to_leave_stays_when_the_pool_grows_again(
    spool: Spool, selector: selectors.BaseSelector
) -> None:
    pool = LocalPool(2, starter(spool), selector)
    drive(pool, selector, [], lambda: pool.working == 2)
    pids = {one.pid for one in pool.members}
    for n in range(2):
        pool.give([SurveyJob(object_id("a" * 16, n))])
    pool.resize(1)
    pool.resize(2)
    assert len(drive(pool, selector, [], lambda: True)) == 2
    assert {one.pid for one in pool.members} == pids
    pool.close()


def test_a_worker_that_dies_while_it_leaves_loses_nothing_and_is_not_replaced(
    spool: Spool, selector: selectors.BaseSelector
) -> None:
    pool = LocalPool(2, starter(spool), selector)
    drive(pool, selector, [], lambda: pool.working == 2)
    for member in pool.members:
        os.kill(member.pid, signal.SIGSTOP)
    jobs: list[AnyJob] = [SurveyJob(object_id("a" * 16, n)) for n in range(2)]
    for job in jobs:
        pool.give([job])
    pool.resize(1)
    (leaving,) = [one for one in pool.members if one.leaving]
    os.kill(leaving.pid, signal.SIGKILL)
    os.kill(next(one.pid for one in pool.members if not one.leaving), signal.SIGCONT)
    answers = [job for job, _ in drive(pool, selector, [], lambda: pool.deaths == 1) if job is not None]
    assert sorted(answers, key=str) == sorted(jobs, key=str)
    assert len(pool.members) == 1
    pool.close()


def test_a_system_without_a_process_to_give_is_asked_again(
    spool: Spool, selector: selectors.BaseSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = LocalPool(1, starter(spool), selector)
    real = os.fork

    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    pool.resize(2)
    assert (pool.staying, pool.wanted) == (1, 2)
    with pytest.raises(PenstockError, match="no process for a worker"):
        LocalPool(1, starter(spool), selector)
    monkeypatch.setattr(os, "fork", real)
    pool.check()
    drive(pool, selector, [], lambda: pool.working == 2)
    pool.close()


def test_a_worker_counts_its_time_under_its_number(spool: Spool, selector: selectors.BaseSelector) -> None:
    pool = LocalPool(1, starter(spool), selector, spool.run)
    drive(pool, selector, [SurveyJob(object_id("a" * 16, n)) for n in range(8)], lambda: True)
    pool.close()  # after it noted its last batch
    told = Snapshot.take(spool.run)
    assert told.get("penstock_worker_jobs_total", worker="0") == 8.0
    for what in ("busy", "starved", "blocked"):
        mine = told.get(f"penstock_worker_{what}_seconds_total", worker="0")
        assert mine > 0.0 and mine == told.total(f"penstock_stage_{what}_seconds_total")
