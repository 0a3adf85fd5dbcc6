"""Thousands of studies in minutes: one tiny object each, made from one sample by writing other identifiers over its own."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from engine.demo.stage import CALLED, CALLING, HOST, Stage
from engine.dicom import sample
from engine.errors import TransportError
from engine.scu.association import Association, Target
from engine.sender.source import read_source
from engine.spool.ledger import Ledger
from tests.reliability.book import Run
from tests.reliability.hospital import store

SENDERS = 2
MOST_HELD = 300  # passes and objects in the spool; with more the senders wait, so that no backlog is measured
DIGITS = 8
PAUSE = 0.02
LOOK_SECONDS = 0.1
OWN = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID", "AccessionNumber")


@dataclass(slots=True)
class Feeder:
    """Sends studies from number 0 on, each of another patient, on an association of its own."""

    stage: Stage
    run: Run
    sent: int = 0  # with a Success
    _given: int = 0
    _data: bytes = b""
    _own: tuple[bytes, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _brake: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        (self.run.work / "feed").mkdir()
        path = sample.write(self.run.work / "feed", self.run.seed, sample.Shape(slices=1, size=16))[1]
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        self._data = path.read_bytes()
        self.run.figures["file_system"] = _file_system(self.stage.folder)
        self._own = tuple(str(ds[name].value).encode("ascii") for name in OWN)

    def feed(self, until: int, look: Callable[[int], None]) -> None:
        """Until `until` studies were sent. `look` is called with the number of those sent, some times a second."""
        threads = [threading.Thread(target=self._send, args=(until, number)) for number in range(SENDERS)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            (self._brake.set if self._held() > MOST_HELD else self._brake.clear)()
            look(self.sent)
            time.sleep(LOOK_SECONDS)

    def settle(self, seconds: float) -> None:
        """Waits until the ledger says of each object that was sent that it is delivered and gone."""
        end = time.monotonic() + seconds
        with Ledger.open(self.stage.spool / "ledger.sqlite", read_only=True) as ledger:
            while (deleted := ledger.totals()["deleted"]) < self.sent or self._held():
                if time.monotonic() > end:
                    self.run.fail(f"{deleted} of {self.sent} studies were delivered after {seconds:.0f} s")
                    return
                time.sleep(LOOK_SECONDS)
            self.run.must(
                deleted == self.sent, f"{deleted} objects were delivered of {self.sent} that were sent"
            )

    def _held(self) -> int:
        return sum(len(os.listdir(self.stage.spool / name)) for name in ("received", "open"))

    def _send(self, until: int, number: int) -> None:
        path = self.run.work / "feed" / f"{number}.out"
        while (study := self._next(until)) is not None:
            path.write_bytes(self._variant(study))
            while not self._offer(path):
                if self.run.over.is_set():
                    return
                time.sleep(PAUSE)
            with self._lock:
                self.sent += 1
            while self._brake.is_set():
                time.sleep(PAUSE)

    def _next(self, until: int) -> int | None:
        with self._lock:
            if self._given >= until or self.run.over.is_set():
                return None
            self._given += 1
            return self._given - 1

    def _offer(self, path: Path) -> bool:
        source = read_source(path)
        try:
            pairs = [(source.sop_class_uid, source.transfer_syntax_uid)]
            association = Association(Target(HOST, self.stage.gateway_port, CALLED, CALLING), pairs)
        except TransportError:
            self.run.add("associations_not_begun")
            return False
        try:
            status = store(association, source)
            self.run.add(f"answers_{status:04X}")
            association.release()
        except TransportError:
            self.run.add("associations_lost")
            return False
        return status == 0

    def _variant(self, study: int) -> bytes:
        """The sample as another study: the last digits of its identifiers are the study's number."""
        data, tail = self._data, b"%0*d" % (DIGITS, study)
        for own in self._own:
            data = data.replace(own, own[:-DIGITS] + tail)
        return data


def _file_system(path: Path) -> str:
    """Of the mount that `path` is in; what a study costs in time depends on it."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    inside = [(len(at), kind) for at, kind in mounts if path.resolve().is_relative_to(at)]
    return max(inside)[1]
