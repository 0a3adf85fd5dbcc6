"""One trial: a gateway and a platform of this machine's own, by C-STORE to the last receipt; nothing leaves the machine."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.config import GatewayConfig
from engine.demo import stage
from engine.demo.stage import CALLED, CALLING, HOST, Changes, Stage
from engine.errors import ConfigError, PenstockError
from engine.metrics.bottleneck import bottleneck
from engine.metrics.flow import flow
from engine.metrics.reading import Snapshot
from engine.process import resident_bytes
from engine.scu.association import Target
from engine.sender.load import Load
from engine.sender.load import run as send
from engine.supervisor.processors import children
from engine.tuning.search import Outcome
from engine.tuning.setting import Setting

ASSOCIATIONS: Final = 4
WARM_UP: Final = 4
LOOK_SECONDS: Final = 0.02
MOST_SECONDS: Final = 120.0
COPIES: Final = 4  # of the sample, in bytes: originals, what the platform keeps, plans, and room to breathe
FIRST_OBJECTS: Final = 120


@dataclass(frozen=True, slots=True)
class Sample:
    """Files to send, and their mean size in bytes."""

    paths: tuple[Path, ...]
    mean_bytes: float

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Sample:
        """Raises ConfigError `sample-empty`."""
        if not paths:
            raise ConfigError(
                "sample-empty", "there is no file to try with", hint="name DICOM files or a folder"
            )
        return cls(tuple(paths), sum(path.stat().st_size for path in paths) / len(paths))


class Bench:
    """Makes trials of `seconds` each in fresh folders under `work`, with the spool and profile settings of `config`."""

    def __init__(self, config: GatewayConfig, sample: Sample, work: Path, seconds: float) -> None:
        self._config = config
        self._sample = sample
        self._work = work
        self._seconds = seconds
        self._rate = FIRST_OBJECTS / seconds
        self._number = 0

    def measure(self, setting: Setting) -> Outcome:
        """About `seconds` of objects through gateway and platform. Raises PenstockError where a part fails."""
        return self.run(setting, self._rate * self._seconds)

    def run(self, setting: Setting, objects: float) -> Outcome:
        """So many objects, at least one of each file."""
        copies = max(1, round(objects / len(self._sample.paths)))
        count = copies * len(self._sample.paths)
        self._room(count)
        self._number += 1
        folder = self._work / f"trial-{self._number}"
        scene = stage.build(folder, gateway=self._changes(setting))
        try:
            with stage.running(scene):
                self._send(scene, WARM_UP)
                outcome = self._timed(scene, copies, count)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self._rate = outcome.rate
        return outcome

    def _changes(self, setting: Setting) -> Changes:
        config = self._config
        wanted: dict[str, dict[str, stage.Value]] = {
            section: dict(keys) for section, keys in setting.changes(self._sample.mean_bytes).items()
        }
        wanted["receiver"]["max_pdu"] = config.receiver.max_pdu
        wanted["pool"]["max_bytes_in_flight"] = config.pool.max_bytes_in_flight
        wanted["spool"] = {"durability": config.spool.durability}
        wanted["profile"] = {"name": config.profile.name}
        return wanted

    def _room(self, count: int) -> None:
        about = os.statvfs(self._work)
        free, wanted = about.f_bavail * about.f_frsize, COPIES * count * self._sample.mean_bytes
        if free < wanted:
            raise ConfigError(
                "disk-too-full",
                f"a trial needs {wanted / 1e6:,.0f} MB in {self._work}, and {free / 1e6:,.0f} MB are free",
                hint="free some space, or name another folder with --work (on the spool's kind of disk, or it tells nothing)",
            )

    def _timed(self, scene: Stage, copies: int, count: int) -> Outcome:
        looking = _Looking(scene)
        before = Snapshot.take(scene.spool / "run")
        began = time.monotonic()
        looking.start()
        try:
            self._send(scene, copies)
            seconds = time.monotonic() - began
        finally:
            looking.stop()
        after = Snapshot.take(scene.spool / "run")
        refused = sum(1 for _ in (scene.spool / "quarantine").glob("*.json"))
        if refused >= count:
            raise ConfigError(
                "sample-refused",
                "every object of the sample is quarantined, so nothing can be measured",
                hint="penstock batch --dry-run shows why; name other objects",
            )
        words = bottleneck(flow(before, after), os.cpu_count() or 1)
        return Outcome(count / seconds, looking.resident, looking.spooled, words.words)

    def _send(self, scene: Stage, copies: int) -> None:
        target = Target(HOST, scene.gateway_port, CALLED, CALLING)
        told = send(Load(target, self._sample.paths, ASSOCIATIONS, copies))
        if told["refused"]:
            raise PenstockError("trial-refused", "the gateway of a trial did not take every object")
        until = time.monotonic() + MOST_SECONDS
        while any(_waiting(scene.spool)):
            if time.monotonic() > until:
                raise PenstockError("trial-stuck", "a trial's objects do not reach its platform")
            time.sleep(LOOK_SECONDS)


class _Looking(threading.Thread):
    """The most memory and spool of a gateway while it works, looked at some times a second."""

    def __init__(self, scene: Stage) -> None:
        super().__init__(name="looking", daemon=True)
        self._scene = scene
        self._over = threading.Event()
        self.resident = self.spooled = 0

    def run(self) -> None:
        while True:  # once at least, however short the trial is
            processes = _tree(self._scene.gateway.pid)
            self.resident = max(self.resident, sum(map(resident_bytes, processes)))
            self.spooled = max(self.spooled, sum(_waiting(self._scene.spool)))
            if self._over.wait(5 * LOOK_SECONDS):
                return

    def stop(self) -> None:
        self._over.set()
        self.join()


def _waiting(spool: Path) -> Iterator[int]:
    """Sizes of the originals that are not delivered yet."""
    for folder in (spool / "received", *spool.glob("open/*/in")):
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    yield entry.stat().st_size
        except FileNotFoundError:  # it has just moved on
            continue


def _tree(root: int) -> list[int]:
    """A process and all below it."""
    found = [root]
    for pid in found:
        found += children(pid)
    return found
