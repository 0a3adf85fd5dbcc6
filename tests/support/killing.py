"""A gateway's processes by role, and a loop that kills them while studies travel."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.demo.process import listens
from engine.demo.stage import CALLED, CALLING, HOST, Stage
from tests.support import travel
from tests.support.rig import children

SCU = Path(__file__).with_name("impatient_scu.py")
ROLES = ("receiver", "coordinator", "uploader", "worker", "supervisor")


def processes(stage: Stage) -> dict[str, list[int]]:
    """The pids of each role; a role that is down has none."""
    found: dict[str, list[int]] = {role: [] for role in ROLES}
    if not stage.gateway.running:
        return found
    found["supervisor"] = [stage.gateway.pid]
    for pid in children(stage.gateway.pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"engine.supervisor.child" not in words:
            continue  # between fork and exec
        role = words[words.index(b"engine.supervisor.child") + 1].decode()
        found[role] = [pid]
        if role == "coordinator":
            found["worker"] = children(pid)
    return found


def everybody_is_up(stage: Stage) -> bool:
    return all(processes(stage).values()) and listens(stage.gateway_port)


@dataclass
class Killer:
    """Kills a random process at random times, `times` times, and starts the gateway again when it was the
    supervisor.
    """

    stage: Stage
    seed: int
    times: int
    longest_pause: float = 1.5
    watched: float = 0.0  # which part of the kills the killer waits after, to see how long everybody is away
    over: threading.Event = field(default_factory=threading.Event)  # set: no more
    killed: Counter[str] = field(default_factory=Counter)
    away: list[float] = field(
        default_factory=list
    )  # seconds until all roles were up and the port was open again

    def run(self) -> None:
        chance = random.Random(self.seed)
        while sum(self.killed.values()) < self.times and not self.over.is_set():
            if chance.random() < 0.7:  # the others die while the gateway starts
                travel.wait("a gateway that listens", lambda: listens(self.stage.gateway_port))
            time.sleep(chance.uniform(0.0, self.longest_pause))
            role = chance.choice(ROLES)
            pids = processes(self.stage)[role]
            if not pids:
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(pids), signal.SIGKILL)
                self.killed[role] += 1
            killed_at = time.monotonic()
            if role == "supervisor":
                self.stage.gateway.wait(travel.PATIENCE)
                self.stage.gateway.start()
            if chance.random() < self.watched:
                travel.wait("everybody up again", lambda: everybody_is_up(self.stage))
                self.away.append(time.monotonic() - killed_at)


def send_until_acknowledged(stage: Stage, paths: Sequence[Path], seconds: float) -> int:
    """As a PACS does: what has no Success is sent again on a new association; how many associations it took."""
    until = time.monotonic() + seconds
    left = list(paths)
    associations = 0
    while left:
        assert time.monotonic() < until, f"{len(left)} of {len(paths)} objects not acknowledged in time"
        if not listens(stage.gateway_port):
            time.sleep(0.05)
            continue
        left = _send(stage, left)
        associations += 1
    return associations


def _send(stage: Stage, paths: Sequence[Path]) -> list[Path]:
    """One association; the objects that got no Success."""
    command = [sys.executable, str(SCU), HOST, str(stage.gateway_port), CALLED, CALLING, *map(str, paths)]
    told = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    statuses = [int(line) for line in told.stdout.split()]
    return [path for path, status in zip(paths, statuses, strict=True) if status != 0]


def send_until(
    stage: Stage,
    make: Callable[[int], Sequence[Path]],
    ended: Callable[[], bool],
    senders: int,
    seconds: float,
) -> list[Sequence[Path]]:
    """`senders` at a time send study after study (`make` gets a number), each until all of it is
    acknowledged.

    Begins no new one when `ended()`. What was sent; raises what a sender raised.
    """
    numbers = itertools.count(1)
    sent: list[Sequence[Path]] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not ended() and not errors:
                study = make(next(numbers))
                send_until_acknowledged(stage, study, seconds)
                sent.append(study)
        except BaseException as error:  # noqa: BLE001 - told to the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sent
