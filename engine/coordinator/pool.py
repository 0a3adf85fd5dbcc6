"""The pool of worker processes on this machine: batches out, results in, dead workers replaced.

A job that was with a worker when it died is a suspect: it is tried once more, alone, in a worker that has
nothing else. If that one dies too, the object is quarantined as `worker-died`; other kinds of job are put
off. SIGKILL comes from outside (a person, the kernel when memory is short), so it accuses an object only
when it comes again and again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
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
_LOG: Final = log.get("pool")


@dataclass(slots=True)
class Member:
    """One worker as the coordinator knows it. `alone`: it tries a suspect, for the `tries`th
    time, and gets nothing else."""

    pid: int
    socket: socket.socket
    batches: deque[list[AnyJob]] = field(default_factory=deque)
    ready: bool = False
    alone: bool = False
    tries: int = 0
    since: float = 0.0


class LocalPool:
    """`count` workers. The selector's keys for their sockets carry the Member as data: hand it to `read`."""

    def __init__(self, count: int, start: Start, selector: selectors.BaseSelector) -> None:
        self._start = start
        self._selector = selector
        self._suspects: deque[tuple[AnyJob, int]] = deque()
        self._failed_starts = 0
        self.deaths = 0
        self.members: list[Member] = []
        for _ in range(count):
            self._add()

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
        begin.
        """
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
        self._try_suspects()

    def check(self) -> None:
        """Kills workers that hang; their sockets tell the rest."""
        now = time.monotonic()
        for member in self.members:
            if member.batches and now - member.since > JOB_SECONDS:
                _LOG.error("worker-hangs", worker=member.pid)
                os.kill(member.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends the workers: they see their sockets close after the job in hand. Those that do not end in
        time are killed.
        """
        for member in self.members:
            self._selector.unregister(member.socket)
            member.socket.close()
        until = time.monotonic() + 5.0
        for member in self.members:
            while os.waitpid(member.pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > until:
                    os.kill(member.pid, signal.SIGKILL)
                    os.waitpid(member.pid, 0)
                    break
                time.sleep(0.005)
        self.members.clear()

    def _add(self) -> None:
        pid, ours = spawn(self._start)
        ours.setblocking(False)
        member = Member(pid, ours)
        self.members.append(member)
        self._selector.register(ours, selectors.EVENT_READ, member)

    def _send(self, member: Member, jobs: list[AnyJob]) -> None:
        if not member.batches:
            member.since = time.monotonic()
        member.batches.append(jobs)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            member.socket.send(encode(jobs))  # if it died, `read` finds that out, and its jobs with it

    def _try_suspects(self) -> None:
        for member in self.members:
            if self._suspects and member.ready and not member.batches:
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
        self._add()
        self._try_suspects()


def _has_room(member: Member) -> bool:
    return member.ready and not member.alone and len(member.batches) < DEPTH


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
