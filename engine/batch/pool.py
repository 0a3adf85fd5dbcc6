"""Worker processes, each at the end of its own pipe, and what happens when one dies.

The parent has one thread and only ever forks from it; it sleeps in one `wait` for all pipes. A worker has up
to two jobs: one that it is at and one that waits, so that it never waits for the parent. When a worker dies,
nobody knows which of its files killed it, if it had begun at all. So each file of its jobs gets one more try, alone in a job, in a
new worker; a file that kills that one too is a poison pill and is named as such.

    file:   in a job ──tally──▶ done
               │ its worker dies
               ▼
            alone in a job ──tally──▶ done
               │ its worker dies
               ▼
            given up"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import resource
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Protocol, Self

from engine.batch.worker import Job, Tally
from engine.errors import PenstockError

JOBS_EACH = 2
STARTS = 3  # workers in a row that end before they began
PATIENCE = 5.0  # seconds for workers to end by themselves


class Works(Protocol):
    """What a worker process does: a `Worker`. `do` never raises for a file."""

    def do(self, job: Job) -> Tally: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class _Member:
    process: ForkProcess
    pipe: Connection
    jobs: deque[Job] = field(default_factory=deque)
    ready: bool = False


class Pool:
    """`count` workers made by `make`, which is called in each new process.

    Use as a context: leaving it ends the workers. `stop` is memory shared with them: see `Worker`."""

    def __init__(self, count: int, make: Callable[[mmap.mmap], Works]) -> None:
        self.stop = mmap.mmap(-1, 1)
        self.given_up: list[bytes] = []
        self.deaths = 0
        self._make = make
        self._context = multiprocessing.get_context("fork")
        self._members: list[_Member] = []
        self._again: deque[Job] = deque()
        self._failed_starts = 0
        for _ in range(count):
            self._members.append(self._start())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop[0] = 1
        for member in self._members:
            member.pipe.close()  # a worker that finds its pipe closed ends
        for member in self._members:
            member.process.join(PATIENCE)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
            member.process.close()
        self._members.clear()
        self.stop.close()

    @property
    def pids(self) -> list[int]:
        return [member.process.pid or 0 for member in self._members]

    @property
    def idle(self) -> bool:
        """Whether all jobs have come back."""
        return not self._again and not any(member.jobs for member in self._members)

    def has_room(self) -> bool:
        """Whether `send` may be called. Files that are tried again go first: then it is not our turn."""
        return not self._again and any(len(member.jobs) < JOBS_EACH for member in self._members)

    def send(self, job: Job) -> None:
        """Gives the job to the worker that has the least to do."""
        member = min(self._members, key=lambda member: len(member.jobs))
        member.jobs.append(job)
        # A worker that has just died takes no more; `collect` finds that out and its jobs with it.
        with contextlib.suppress(BrokenPipeError):
            member.pipe.send(job)

    def collect(self, seconds: float) -> list[Tally]:
        """The tallies that came in, after at most `seconds`. Replaces workers that died; files that killed
        two workers go to `given_up`. PenstockError if new workers cannot even begin."""
        tallies: list[Tally] = []
        ready = wait([member.pipe for member in self._members], seconds)
        for member in [member for member in self._members if member.pipe in ready]:
            try:
                message = member.pipe.recv()
            except (EOFError, OSError):
                self._replace(member)
                continue
            if isinstance(message, Tally):
                member.jobs.popleft()
                tallies.append(message)
            elif isinstance(message, PenstockError):
                raise message
            else:
                member.ready = True
                self._failed_starts = 0
        while self._again and not self.stop[0]:
            if all(len(member.jobs) >= JOBS_EACH for member in self._members):
                break
            self.send(self._again.popleft())
        if self.stop[0]:
            self._again.clear()
        return tallies

    def _replace(self, dead: _Member) -> None:
        self.deaths += 1
        dead.pipe.close()
        dead.process.join()
        dead.process.close()
        if not dead.ready:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                self._members.remove(dead)
                raise PenstockError(
                    "workers-die",
                    f"{STARTS} workers in a row ended before they began to work",
                    hint="see whether memory is short (dmesg), and use fewer --workers",
                )
        for job in dead.jobs:
            if not dead.ready:
                self._again.append(job)  # it was never begun, so it is not to blame
            elif not job.again:
                self._again.extend(Job((name,), again=True) for name in job.names)
            elif job is dead.jobs[0]:
                self.given_up += job.names
            else:
                self._again.append(job)
        self._members[self._members.index(dead)] = self._start()

    def _start(self) -> _Member:
        ours, theirs = self._context.Pipe()
        others = [member.pipe for member in self._members if not member.pipe.closed]
        process = self._context.Process(target=self._body, args=(theirs, [ours, *others]), daemon=True)
        process.start()
        theirs.close()
        return _Member(process, ours)

    def _body(self, pipe: Connection, inherited: list[Connection]) -> None:
        # The parent's ends must live in the parent alone: their closing is how a worker learns that it is
        # gone.
        for other in inherited:
            other.close()
        # Ctrl-C reaches the whole group; the parent decides, and says so by `stop`.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the hash secret
        worker = None
        try:
            worker = self._make(self.stop)
            pipe.send(os.getpid())
            while True:
                pipe.send(worker.do(pipe.recv()))
        except PenstockError as error:
            pipe.send(error)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            pass  # the parent is gone or has closed the pipe: the end of work
        finally:
            if worker is not None:
                worker.close()
