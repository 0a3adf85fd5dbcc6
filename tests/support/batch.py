"""Runs of `penstock batch` for tests: in this process, or in a forked one that can be interrupted and killed."""

from __future__ import annotations

import functools
import multiprocessing
import os
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


class Slow(Pseudonymizer):
    """The real one, with a pause before each object, so that a run lasts long enough to be disturbed."""

    def plan(self, fd: int, size: int, pass_key: PassKey) -> ObjectPlan:
        time.sleep(0.01)
        return super().plan(fd, size, pass_key)


def penstock(*arguments: object) -> int:
    """`penstock` with these arguments in this process; the exit code."""
    return main([str(argument) for argument in arguments])


def _child(arguments: list[str], make: type[Pseudonymizer]) -> None:
    os.setpgrp()
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    engine.batch.run = functools.partial(run, make=make)
    os._exit(main(arguments))


def started(*arguments: object, make: type[Pseudonymizer] = Slow) -> ForkProcess:
    """`penstock` in a process of its own, and slow unless `make` says otherwise."""
    process = multiprocessing.get_context("fork").Process(
        target=_child, args=([str(argument) for argument in arguments], make)
    )
    process.start()
    return process


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
    "Place",
    "Slow",
    "as_nobody",
    "children",
    "ended",
    "penstock",
    "started",
    "wait_for",
    "written",
]
