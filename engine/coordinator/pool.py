"""The pool of worker processes on this machine: batches out, results in, dead workers replaced, more or fewer
of them while it works.

A job that was with a worker when it died is a suspect: it is tried once more, alone, in a worker that has
nothing else. If that one dies too, the object is quarantined as `worker-died`; other kinds of job are put
off. SIGKILL comes from outside (a person, the kernel when memory is short), so it accuses an object only
when it comes again and again.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine import log
from engine.coordinator.messages import (
    DATAGRAM,
    AnyJob,
    AnyResult,
    Later,
    PlanJob,
    Refused,
    SurveyJob,
    Unable,
    decode_results,
    encode,
)
from engine.coordinator.worker import Start, spawn
from engine.errors import ConfigError, PenstockError

DEPTH: Final = 2  # batches that a worker has: one in work, one to go on with
FAILED_STARTS: Final = 5
MOST_KILLS: Final = 5
JOB_SECONDS: Final = 300.0  # a batch that takes longer is a hang
ENDING_SECONDS: Final = 5.0
_SCARCE: Final = (
    "see whether memory (dmesg) or processes (TasksMax, ulimit -u) are short; set fewer pool.workers"
)
_LOG: Final = log.get("pool")


@dataclass(slots=True, eq=False)
class Member:
    """One worker as the coordinator knows it. `number` is 0, 1, 2 …, free again when it has gone. `alone`: it
    tries a suspect, for the `tries`th time, and gets nothing else. `leaving`: it ends what it has, and goes."""

    number: int
    pid: int
    socket: socket.socket
    batches: deque[list[AnyJob]] = field(default_factory=deque)
    ready: bool = False
    alone: bool = False
    leaving: bool = False
    tries: int = 0
    since: float = 0.0


class LocalPool:
    """`count` workers, until `resize`. The selector's keys for their sockets carry the Member as data: hand it to
    `read`. `run_dir`: where the workers' own counters are.

    PenstockError if not one process can be had."""

    def __init__(
        self, count: int, start: Start, selector: selectors.BaseSelector, run_dir: Path | None = None
    ) -> None:
        self._start = start
        self._selector = selector
        self._run_dir = run_dir
        self._wanted = count
        self._ending: list[tuple[int, float]] = []  # pids that were let go, and when they are killed
        self._suspects: deque[tuple[AnyJob, int]] = deque()
        self._failed_starts = 0
        self.deaths = 0
        self.members: list[Member] = []
        self._fill()
        if not self.members:
            raise PenstockError(
                "workers-cannot-start", "the system gives no process for a worker", hint=_SCARCE
            )

    @property
    def wanted(self) -> int:
        """How many workers there should be."""
        return self._wanted

    @property
    def working(self) -> int:
        """How many workers are ready and stay."""
        return sum(member.ready and not member.leaving for member in self.members)

    @property
    def staying(self) -> int:
        """How many workers there are that do not leave, whether they are ready or not."""
        return sum(not member.leaving for member in self.members)

    def resize(self, count: int) -> None:
        """More workers begin at once. Those too many get nothing new, end what they have in hand, and go."""
        self._wanted = count
        missing = count - self.staying
        for member in self.members:
            if missing > 0 and member.leaving:
                member.leaving = False
                missing -= 1
        for member in sorted(self.members, key=lambda one: -one.number):
            if missing < 0 and not member.leaving:
                member.leaving = True
                missing += 1
        self._dismiss()
        self._fill()

    @property
    def has_room(self) -> bool:
        return not self._suspects and any(_has_room(member) for member in self.members)

    @property
    def busy(self) -> bool:
        return bool(self._suspects) or any(member.batches for member in self.members)

    def give(self, jobs: list[AnyJob]) -> None:
        """Hands one batch to the ready worker that has the least. Only after `has_room`."""
        member = min((one for one in self.members if _has_room(one)), key=lambda one: len(one.batches))
        self._send(member, jobs)

    def read(self, member: Member) -> Iterator[tuple[AnyJob | None, AnyResult]]:
        """What a worker said: each job with its result; (None, Ready) once. PenstockError if workers cannot
        begin. Nothing, if it was let go meanwhile.
        """
        if member not in self.members:
            return
        try:
            data = member.socket.recv(DATAGRAM)
        except (BlockingIOError, InterruptedError):
            return
        except ConnectionResetError:
            data = b""
        if not data:
            yield from self._bury(member)
            return
        results = decode_results(data)
        if not member.ready:
            if isinstance(results[0], Unable):
                raise ConfigError(results[0].code, results[0].message, hint=results[0].hint)
            member.ready = True
            self._failed_starts = 0
            yield None, results[0]
        else:
            member.since = time.monotonic()
            member.alone = False
            yield from zip(member.batches.popleft(), results, strict=True)
        self._dismiss()
        self._try_suspects()

    def check(self) -> None:
        """Kills workers that hang (their sockets tell the rest), buries those that were let go, and tries again to
        start those for which the system had no process.
        """
        now = time.monotonic()
        self._reap(now)
        self._fill()
        for member in self.members:
            if member.batches and now - member.since > JOB_SECONDS:
                _LOG.error("worker-hangs", worker=member.pid)
                os.kill(member.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends the workers: they see their sockets close after the job in hand. Those that do not end in
        time are killed.
        """
        for member in self.members:
            self._let_go(member)
        self.members.clear()
        while self._ending:
            self._reap(time.monotonic())
            time.sleep(0.005 if self._ending else 0.0)

    def _fill(self) -> None:
        """Starts what is missing. A system without a process to give is asked again by `check`."""
        while self.staying < self._wanted:
            try:
                self._add()
            except OSError as error:
                _LOG.failure("worker-not-started", error)
                return

    def _add(self) -> None:
        taken = {member.number for member in self.members}
        number = next(number for number in itertools.count() if number not in taken)
        pid, ours = spawn(self._start, number, self._run_dir)
        ours.setblocking(False)
        member = Member(number, pid, ours)
        self.members.append(member)
        self._selector.register(ours, selectors.EVENT_READ, member)

    def _dismiss(self) -> None:
        """Lets those go that leave and have nothing in hand. One that has not begun has nothing to end."""
        for member in [one for one in self.members if one.leaving and not one.batches]:
            if not member.ready:
                os.kill(member.pid, signal.SIGKILL)
            self.members.remove(member)
            self._let_go(member)

    def _let_go(self, member: Member) -> None:
        self._selector.unregister(member.socket)
        member.socket.close()
        self._ending.append((member.pid, time.monotonic() + ENDING_SECONDS))

    def _reap(self, now: float) -> None:
        late = [pid for pid, until in self._ending if now > until]
        for pid in late:
            os.kill(pid, signal.SIGKILL)  # ours still: it was not waited for
        self._ending = [(pid, until) for pid, until in self._ending if os.waitpid(pid, os.WNOHANG) == (0, 0)]

    def _send(self, member: Member, jobs: list[AnyJob]) -> None:
        if not member.batches:
            member.since = time.monotonic()
        member.batches.append(jobs)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            member.socket.send(encode(jobs))  # if it died, `read` finds that out, and its jobs with it

    def _try_suspects(self) -> None:
        for member in self.members:
            if self._suspects and member.ready and not member.batches and not member.leaving:
                job, member.tries = self._suspects.popleft()
                member.alone = True
                self._send(member, [job])

    def _bury(self, member: Member) -> Iterator[tuple[AnyJob, AnyResult]]:
        self._selector.unregister(member.socket)
        member.socket.close()
        _, status = os.waitpid(member.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self.members.remove(member)
        self.deaths += 1
        _LOG.error("worker-died", worker=member.pid, status=code)
        if not member.ready:
            self._failed_starts += 1
            if self._failed_starts >= FAILED_STARTS:
                raise PenstockError(
                    "workers-die",
                    f"{FAILED_STARTS} workers in a row ended before they began to work",
                    hint="see whether memory is short (dmesg), and set fewer pool.workers",
                )
        for batch in member.batches:
            if not member.alone:
                self._suspects.extend((job, 1) for job in batch)
            elif code == -signal.SIGKILL and member.tries < MOST_KILLS:
                self._suspects.append((batch[0], member.tries + 1))
            else:
                yield batch[0], _given_up(batch[0])
        self._fill()
        self._try_suspects()


def _has_room(member: Member) -> bool:
    return member.ready and not (member.alone or member.leaving) and len(member.batches) < DEPTH


def _given_up(job: AnyJob) -> AnyResult:
    match job:
        case SurveyJob():
            identifier, pass_id = job.identifier, ""
        case PlanJob():
            identifier, pass_id = job.identifier, job.pass_id
        case _:
            return Later(errno.EIO)
    message = "two workers died of this object, the second one with nothing else in hand"
    return Refused(identifier, pass_id, "worker-died", message, "please report it", None, None)
