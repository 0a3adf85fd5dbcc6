"""The pool: real processes, real deaths."""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

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
    return lambda: (Mortal(spool, routes, HashSecret.generate()), "00000000")


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


def test_a_worker_has_nothing_of_its_parent_open(spool: Spool, selector: selectors.BaseSelector) -> None:
    secret = spool.root / "parents-file"
    with secret.open("wb"):
        pool = LocalPool(1, starter(spool), selector)
        drive(pool, selector, [PersistJob("0" * 32)], lambda: True)
        folder = Path(f"/proc/{pool.members[0].pid}/fd")
        targets = [os.readlink(path) for path in folder.iterdir()]
        assert str(secret) not in targets
        assert len([one for one in targets if one.startswith("socket:")]) == 1
        limits = Path(f"/proc/{pool.members[0].pid}/limits").read_text()
        assert "Max core file size        0" in limits
        pool.close()
