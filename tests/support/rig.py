"""A spool with a real coordinator beside it, or a whole gateway that can be killed piece by piece."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom

from engine.dicom import sample
from engine.pseudonymize import sidecar
from engine.pseudonymize.identity import HashSecret
from engine.spool import associations
from engine.spool.budget import SUPERVISOR, Budget, measure
from engine.spool.layout import Spool, new_association_id, object_id
from engine.spool.states import State, observe, passes

CONFIG = """
[spool]
path = "spool"
[identity]
secret_file = "secret"
[passes]
quiet_seconds = {quiet}
[pool]
workers = {workers}
[uploader]
url = "https://localhost:1"
certificate = "none"
key = "none"
ca = "none"
"""
PATIENCE = 60.0


def wait_until(ready: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Looks again and again; an AssertionError that says what did not come."""
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, f"not {what} after {seconds:.0f} s"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The pids of the processes that a process has forked."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except FileNotFoundError:
        return []
    return [int(one) for one in told.split()]


@dataclass
class CoordinatorRig:
    """A coordinator on a spool of its own in `folder`. Objects come from the sample study, small."""

    folder: Path
    quiet: float = 0.4
    workers: int = 2
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        HashSecret.generate().write(self.folder / "secret")
        self.configure()
        self.spool = Spool.open(self.folder / "spool")
        Budget.attach(self.spool.run, SUPERVISOR, 10**9).close()

    def configure(self, more: str = "") -> None:
        text = CONFIG.format(quiet=self.quiet, workers=self.workers) + more
        (self.folder / "gateway.toml").write_text(text, encoding="utf-8")

    def start(self, **environment: str) -> None:
        command = [sys.executable, "-m", "engine.supervisor.child", "coordinator"]
        command += ["--config", str(self.folder / "gateway.toml"), "--parent", str(os.getpid())]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=log)

    def stop(self) -> int:
        """SIGTERM and its drain; the exit code."""
        assert self.process is not None
        wait_until(lambda: self.dead or b'"recovered"' in (self.folder / "log").read_bytes(), "started")
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def dead(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def states(self) -> dict[str, State]:
        return {one.identifier: one.state for one in observe(self.spool)}

    def pass_of(self) -> dict[str, str]:
        return {one.identifier: one.pass_id for one in observe(self.spool) if one.pass_id}

    def open_passes(self) -> list[str]:
        return [one for one in passes(self.spool) if self.spool.key(one).exists()]

    def put(self, paths: list[Path], association: str | None = None) -> list[str]:
        """Puts files into received/ as a receiver would have; their ids. Without an `association` it is one of their own, which is
        open meanwhile: however slowly they come, their pass waits for all of them."""
        own = association or new_association_id()
        if association is None:
            associations.hold(self.spool, own)
        ids = [object_id(own, number) for number in range(len(paths))]
        for identifier, path in zip(ids, paths, strict=True):
            self.put_one(identifier, path)
        if association is None:
            associations.released(self.spool, own)
        return ids

    def put_one(self, identifier: str, path: Path) -> None:
        """One file under this id: nobody sees a part of it."""
        part = self.spool.part(identifier)
        part.write_bytes(path.read_bytes())
        part.rename(self.spool.arrival(identifier))

    def budget_is_right(self) -> bool:
        budget = Budget.attach(self.spool.run, SUPERVISOR, 10**9)
        try:
            return budget.used() == measure(self.spool)
        finally:
            budget.close()


def study(folder: Path, seed: int = 1, slices: int = 4) -> list[Path]:
    """The files of a small sample study."""
    folder.mkdir(exist_ok=True)
    return sample.write(folder / str(seed), seed=seed, shape=sample.Shape(slices=slices, size=16))


def head_of(spool: Spool, pass_id: str, identifier: str) -> pydicom.Dataset:
    """What a plan would send, without the pixels."""
    from io import BytesIO

    plan = sidecar.decode(spool.plan(pass_id, identifier).read_bytes()).plan
    return pydicom.dcmread(BytesIO(plan.head), stop_before_pixels=True)
