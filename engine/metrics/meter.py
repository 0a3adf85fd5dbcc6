"""One process's counters, in a file of run/metrics/ that is mapped into memory.

The file is an array of records: 120 bytes of name with labels, padded with NULs, and one aligned 64-bit
float, which is stored whole: a reader sees the old or the new value. Only the process that bears the file's
name writes it. A process that starts again goes on with its counters; gauges begin at 0."""

from __future__ import annotations

import errno
import mmap
import os
from collections import defaultdict
from pathlib import Path

from engine.errors import SpoolError
from engine.metrics.catalogue import LABEL_VALUE, METRICS, Kind

FOLDER = "metrics"
RECORDS = 512
KEY_BYTES = 120
RECORD_BYTES = KEY_BYTES + 8
FILE_BYTES = RECORDS * RECORD_BYTES


class Value:
    """One number. Not for two threads at a time."""

    __slots__ = ("_at", "_numbers")

    def __init__(self, numbers: memoryview[float], at: int) -> None:
        self._numbers = numbers
        self._at = at

    def add(self, amount: float = 1.0) -> None:
        self._numbers[self._at] += amount

    def set(self, amount: float) -> None:
        self._numbers[self._at] = amount

    @property
    def value(self) -> float:
        return float(self._numbers[self._at])


class Meter:
    """The counters of one process."""

    def __init__(self, area: mmap.mmap) -> None:
        self._area = area
        self._numbers = memoryview(area).cast("d")
        self._known: dict[bytes, Value] = {}
        for index, (key, _) in enumerate(_records(area)):
            value = Value(self._numbers, _place(index))
            self._known[key] = value
            if METRICS[_name(key)][0] is Kind.GAUGE:
                value.set(0.0)

    @classmethod
    def attach(cls, run_dir: Path, process: str) -> Meter:
        """The counters of the process that is called `process` ("receiver", "worker-0" …) under run/."""
        try:
            return cls(_shared(run_dir / FOLDER, process))
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            # On a full disk the gateway has to go on: this process counts unseen until its next start.
            return cls(mmap.mmap(-1, FILE_BYTES))

    def value(self, metric: str, **labels: str) -> Value:
        """The number of `metric` under these labels; keep it, looking it up costs more than adding to it.

        ValueError for a metric that the catalogue does not have, or a label value that could be somebody's
        text."""
        key = _key(metric, labels)
        known = self._known.get(key)
        if known is None:
            index = len(self._known)
            if index == RECORDS:
                raise SpoolError("metrics-full", f"one process has more than {RECORDS} metrics")
            known = Value(self._numbers, _place(index))
            at = index * RECORD_BYTES
            self._area[at : at + KEY_BYTES] = key.ljust(KEY_BYTES, b"\0")
            self._known[key] = known
        return known

    def close(self) -> None:
        self._known.clear()
        self._numbers.release()
        self._area.close()


def _shared(folder: Path, process: str) -> mmap.mmap:
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / process, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, FILE_BYTES)
        return mmap.mmap(descriptor, FILE_BYTES)
    finally:
        os.close(descriptor)


def read(run_dir: Path) -> dict[str, float]:
    """The sum over all processes of each metric, by its name with labels as Prometheus writes them."""
    totals: dict[str, float] = defaultdict(float)
    folder = run_dir / FOLDER
    if not folder.is_dir():
        return {}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        if len(data) == FILE_BYTES:  # else it is being made
            for key, number in _records(data):
                totals[key.decode("ascii")] += number
    return dict(totals)


def _records(area: mmap.mmap | bytes) -> list[tuple[bytes, float]]:
    found = []
    with memoryview(area) as whole, whole.cast("d") as numbers:
        for index in range(RECORDS):
            at = index * RECORD_BYTES
            key = bytes(whole[at : at + KEY_BYTES]).rstrip(b"\0")
            if not key:
                break
            found.append((key, numbers[_place(index)]))
    return found


def _place(index: int) -> int:
    """Where the float of a record is, counted in floats."""
    return (index * RECORD_BYTES + KEY_BYTES) // 8


def _name(key: bytes) -> str:
    return key.partition(b"{")[0].decode("ascii")


def _key(metric: str, labels: dict[str, str]) -> bytes:
    if metric not in METRICS:
        raise ValueError(f"the catalogue has no metric {metric}")
    for value in labels.values():
        if not LABEL_VALUE.fullmatch(value):
            raise ValueError("a label value is 1 to 40 letters, digits or _ . : -")
    inside = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    key = (f"{metric}{{{inside}}}" if inside else metric).encode("ascii")
    if len(key) > KEY_BYTES:
        raise ValueError(f"a metric with its labels has at most {KEY_BYTES} characters")
    return key
