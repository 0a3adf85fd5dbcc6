"""Runs of `penstock batch` for tests: in this process, or in a forked one that can be interrupted and killed."""

from __future__ import annotations

import functools
import multiprocessing
import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from pathlib import Path

import engine.batch
from engine.batch import run
from engine.cli import main
from engine.pseudonymize.plan import ObjectPlan, PassKey
from engine.pseudonymize.rewrite import Pseudonymizer

PATIENCE = 60.0  # seconds, for a machine that has much else to do
UNSEEN = """
profile = "default-pixels-unseen"
base = "ps3.15@2026c/basic"
unknown = { standard = "remove", private = "remove", unparsable = "quarantine" }
pixels = { policy = "keep" }
"""
# The shipped `default`, but pixels pass unseen: real and sample files are full of secondary captures, and their
# rewriting is to be seen as well.

NOBODY = 65534  # the user and group that own nothing


class Gate:
    """Lets the objects of a run through: one for each token in its pipe, and all of them once the end of it is closed."""

    def __init__(self) -> None:
        self.entry, self._tokens = os.pipe()

    def let(self, enough: Callable[[], bool]) -> None:
        """One after the other until there are `enough`. Each worker holds one more then, in the middle of what it does."""

        def is_enough() -> bool:
            if enough():
                return True
            if not select.select([self.entry], [], [], 0)[0]:
                os.write(self._tokens, b".")
            return False

        wait_for(is_enough)

    def open(self) -> None:
        """All that is left."""
        if self._tokens >= 0:
            os.close(self._tokens)
        self._tokens = -1

    def close(self) -> None:
        """Nobody comes any more."""
        self.open()
        os.close(self.entry)


class Gated(Pseudonymizer):
    """The real one, but each object waits at the gate, so that a run lasts as long as the test wants it to."""

    entry = -1

    def plan(self, fd: int, size: int, pass_key: PassKey) -> ObjectPlan:
        made = super().plan(fd, size, pass_key)
        os.read(self.entry, 1)
        return made


def penstock(*arguments: object) -> int:
    """`penstock` with these arguments in this process; the exit code."""
    return main([str(argument) for argument in arguments])


def _child(arguments: list[str], make: type[Pseudonymizer], gate: Gate | None) -> None:
    os.setpgrp()
    if gate is not None:
        gate.open()  # only the test holds the other end
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    engine.batch.run = functools.partial(run, make=make)
    os._exit(main(arguments))


def started(
    *arguments: object, make: type[Pseudonymizer] = Pseudonymizer, gate: Gate | None = None
) -> ForkProcess:
    """`penstock` in a process of its own, whose objects are treated by `make`; with a `gate` they wait there."""
    if gate is not None:
        make = type("AtTheGate", (Gated,), {"entry": gate.entry})
    process = multiprocessing.get_context("fork").Process(
        target=_child, args=([str(argument) for argument in arguments], make, gate)
    )
    process.start()
    return process


def noticed(pid: int | None, number: int) -> bool:
    """Whether the run has taken the signal, or is dead: it begins no file any more, and ends at once at the next one."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
    return not int(caught, 16) >> (number - 1) & 1


def told_by(number: int, process: ForkProcess, gate: Gate, *, group: bool = False) -> int:
    """What the run ends with when it gets this signal, or all of its group do, and nothing holds it up any more."""
    (os.killpg if group else os.kill)(process.pid or 0, number)
    wait_for(lambda: noticed(process.pid, number))
    gate.open()
    return ended(process)


def ended(process: ForkProcess) -> int:
    """Waits for the process's end; its exit code."""
    process.join(PATIENCE)
    if process.exitcode is None:
        os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        raise AssertionError("the run did not end")
    return process.exitcode


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it is true; fails after a minute."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


def written(out: Path) -> list[Path]:
    """All outputs, in a fixed order."""
    return sorted(out.rglob("*.dcm"))


def children(pid: int) -> list[int]:
    """The processes that this one has forked and that still run."""
    return [
        int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    ]


def as_nobody(action: Callable[[], int]) -> int:
    """Calls `action` in a forked process as a user who may not do everything; what it returned (0 to 255)."""

    def child() -> None:
        os.setpgrp()
        if os.geteuid() == 0:
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        os._exit(action())

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    return ended(process)


@dataclass(frozen=True)
class Place:
    """Folders and a hash secret for one test."""

    source: Path
    out: Path
    secret: Path

    def run(self, *more: object) -> int:
        """The whole run in this process; its exit code."""
        return penstock(*self.arguments(*more))

    def arguments(self, *more: object) -> list[object]:
        return ["batch", self.source, self.out, "--secret-file", self.secret, *more]


__all__ = [
    "NOBODY",
    "Gate",
    "Place",
    "as_nobody",
    "children",
    "ended",
    "noticed",
    "penstock",
    "started",
    "told_by",
    "wait_for",
    "written",
]
