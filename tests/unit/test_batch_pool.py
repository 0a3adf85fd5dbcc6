"""The pool: jobs come back whatever happens to the worker that had them."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from engine.batch.pool import Pool
from engine.batch.worker import Job, Tally
from engine.errors import ConfigError, PenstockError

DEADLINE = 100.0


class Counting:
    """A worker that counts names; `poison` ends its process as a crash in a native core would."""

    def __init__(self, stop: mmap.mmap) -> None:
        self._stop = stop

    def do(self, job: Job) -> Tally:
        tally = Tally()
        for at, name in enumerate(job.names):
            if self._stop[0]:
                tally.left = job.names[at:]
                break
            if name.startswith(b"poison"):
                os.kill(os.getpid(), signal.SIGKILL)
            if name.startswith(b"slow"):
                time.sleep(0.05)
            tally.written += 1
            tally.tags += name + b"\n"
        return tally

    def close(self) -> None:
        pass


def drain(pool: Pool, jobs: Iterable[Job]) -> list[bytes]:
    """Sends all jobs and waits until each came back; the names that were done."""
    waiting = list(jobs)
    done: list[bytes] = []
    until = time.monotonic() + DEADLINE
    while (waiting or not pool.idle) and time.monotonic() < until:
        while waiting and pool.has_room():
            pool.send(waiting.pop(0))
        for tally in pool.collect(0.05):
            done += bytes(tally.tags).split()
    assert pool.idle and not waiting
    return sorted(done)


def jobs(*names: bytes, size: int = 4) -> list[Job]:
    return [Job(tuple(names[at : at + size])) for at in range(0, len(names), size)]


def numbered(count: int) -> list[bytes]:
    return [b"%04d" % number for number in range(count)]


@pytest.mark.parametrize("count", [1, 3])
def test_every_job_comes_back_once(count: int) -> None:
    with Pool(count, Counting) as pool:
        assert drain(pool, jobs(*numbered(100))) == numbered(100)
        assert pool.deaths == 0


def test_a_poison_pill_is_given_up_and_the_others_are_done() -> None:
    names = [
        *numbered(5),
        b"poison",
        *[b"x%d" % n for n in range(5)],
        b"poison2",
        *[b"y%d" % n for n in range(5)],
    ]
    with Pool(2, Counting) as pool:
        done = drain(pool, jobs(*names))
        assert sorted(pool.given_up) == [b"poison", b"poison2"]
        assert done == sorted(name for name in names if not name.startswith(b"poison"))
        assert pool.deaths == 4


def test_a_killed_worker_loses_no_file() -> None:
    names = [b"slow%03d" % number for number in range(24)]
    with Pool(2, Counting) as pool:
        for job in jobs(*names[:16]):
            pool.send(job)
        os.kill(pool.pids[0], signal.SIGKILL)
        assert drain(pool, jobs(*names[16:])) == names
        assert pool.given_up == []
        assert pool.deaths == 1


def test_stop_brings_the_jobs_back_undone() -> None:
    with Pool(1, Counting) as pool:
        pool.send(Job((b"a",)))
        assert drain(pool, []) == [b"a"]
        pool.stop[0] = 1
        pool.send(Job((b"b", b"c")))
        tallies = []
        while not pool.idle:
            tallies += pool.collect(0.05)
    assert [tally.left for tally in tallies] == [(b"b", b"c")]


def test_a_death_after_stop_is_not_made_good() -> None:
    with Pool(1, Counting) as pool:
        drain(pool, jobs(*numbered(1)))
        os.kill(pool.pids[0], signal.SIGSTOP)  # or it might be quick enough to give the job back
        pool.send(Job((b"slow", b"slow2")))
        pool.stop[0] = 1
        os.kill(pool.pids[0], signal.SIGKILL)
        until = time.monotonic() + DEADLINE
        while not pool.idle and time.monotonic() < until:
            assert pool.collect(0.05) == []
        assert pool.idle


def test_leaving_the_pool_ends_its_workers() -> None:
    with Pool(3, Counting) as pool:
        pids = pool.pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_end_in_order_when_the_pool_is_left(tmp_path: Path) -> None:
    class Tidy(Counting):
        def close(self) -> None:
            (tmp_path / str(os.getpid())).touch()

    with Pool(3, Tidy) as pool:
        pids = pool.pids
        drain(pool, jobs(*numbered(10)))
    assert {path.name for path in tmp_path.iterdir()} == {str(pid) for pid in pids}


def test_a_worker_that_cannot_be_made_says_why() -> None:
    def make(stop: mmap.mmap) -> Counting:
        raise ConfigError("secret-missing", "there is no hash secret")

    with Pool(2, make) as pool, pytest.raises(ConfigError, match="there is no hash secret"):
        drain(pool, jobs(b"a"))


def test_workers_that_end_before_they_begin_are_not_started_for_ever() -> None:
    def make(stop: mmap.mmap) -> Counting:
        os.kill(os.getpid(), signal.SIGKILL)
        return Counting(stop)

    with Pool(2, make) as pool, pytest.raises(PenstockError, match="ended before they began") as caught:
        drain(pool, jobs(b"a"))
    assert caught.value.code == "workers-die"


def test_files_of_workers_that_never_began_are_not_blamed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    def make(stop: mmap.mmap) -> Counting:
        with mark.open("a") as file:
            file.write("x")
        if mark.stat().st_size <= 2:
            time.sleep(0.2)  # so that the job is in its pipe when it dies
            os.kill(os.getpid(), signal.SIGKILL)
        return Counting(stop)

    with Pool(1, make) as pool:
        assert drain(pool, jobs(b"a")) == [b"a"]
        assert pool.given_up == []
        assert pool.deaths == 2


def _hold_a_pool(report: Callable[[list[int]], None]) -> None:
    with Pool(2, Counting) as pool:
        drain(pool, jobs(b"a"))
        report(pool.pids)
        time.sleep(DEADLINE)


def test_workers_end_when_their_parent_is_killed() -> None:
    context = multiprocessing.get_context("fork")
    pids = context.SimpleQueue()
    parent = context.Process(target=_hold_a_pool, args=(pids.put,))
    parent.start()
    workers = pids.get()
    parent.kill()
    parent.join()
    until = time.monotonic() + DEADLINE
    while any(_lives(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(_lives(pid) for pid in workers)


def _lives(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_ctrl_c_in_the_terminal_leaves_the_workers_alone() -> None:
    with Pool(2, Counting) as pool:
        drain(pool, jobs(b"a", b"b", size=1))
        for pid in pool.pids:
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
        assert drain(pool, jobs(*numbered(20))) == numbered(20)
        assert pool.deaths == 0


def test_a_worker_leaves_no_core_behind() -> None:
    with Pool(1, Counting) as pool:
        drain(pool, jobs(b"a"))
        limits = Path(f"/proc/{pool.pids[0]}/limits").read_text(encoding="ascii")
    [line] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]
