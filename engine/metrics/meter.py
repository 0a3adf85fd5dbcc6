"""One process's counters, in a file of run/metrics/ that is mapped into memory.

The file is an array of records: 120 bytes of name with labels, padded with NULs, and one aligned 64-bit
float, which is stored whole: a reader sees the old or the new value. Only the process that bears the file's
name writes it. A process that starts again goes on with its counters; gauges begin at 0.

A histogram is a record for each of the catalogue's BOUNDS, which counts what lies in that bucket alone, and one for the
sum of all values; who reads adds the buckets up, as Prometheus has them."""

from __future__ import annotations

import errno
import mmap
import os
from bisect import bisect_left
from pathlib import Path

from engine.errors import SpoolError
from engine.metrics.catalogue import BOUNDS, LABEL_VALUE, METRICS, Kind, family

FOLDER = "metrics"
RECORDS = 512
FEW_RECORDS = 64  # for a process of which there may be many
KEY_BYTES = 120
RECORD_BYTES = KEY_BYTES + 8


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


class Histogram:
    """How many values lie in each of the fixed buckets. Not for two threads at a time."""

    __slots__ = ("_numbers", "_places", "_sum")

    def __init__(self, numbers: memoryview[float], places: tuple[int, ...], total: int) -> None:
        self._numbers = numbers
        self._places = places
        self._sum = total

    def observe(self, value: float, times: int = 1) -> None:
        """Counts `value` (`times` times, for a batch whose values are alike)."""
        self._numbers[self._places[bisect_left(BOUNDS, value)]] += times
        self._numbers[self._sum] += value * times


class Meter:
    """The counters of one process."""

    def __init__(self, area: mmap.mmap) -> None:
        self._area = area
        self._numbers = memoryview(area).cast("d")
        self._places: dict[bytes, int] = {}
        self._records = len(area) // RECORD_BYTES
        for index, (key, _) in enumerate(records(area)):
            self._places[key] = _place(index)
            if METRICS[family(_name(key))][0] is Kind.GAUGE:
                self._numbers[_place(index)] = 0.0

    @classmethod
    def attach(cls, run_dir: Path, process: str, most: int = RECORDS) -> Meter:
        """The counters of the process that is called `process` ("receiver", "worker-0" …) under run/; it has at most
        `most` numbers.
        """
        size = most * RECORD_BYTES
        try:
            return cls(_shared(run_dir / FOLDER, process, size))
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            # On a full disk the gateway has to go on: this process counts unseen until its next start.
            return cls(mmap.mmap(-1, size))

    def value(self, metric: str, **labels: str) -> Value:
        """The number of `metric` under these labels; keep it, looking it up costs more than adding to it.

        ValueError for a metric that the catalogue does not have, or a label value that could be somebody's
        text."""
        return Value(self._numbers, self._place_of(key_of(metric, labels)))

    def histogram(self, metric: str, **labels: str) -> Histogram:
        """The histogram `metric` under these labels; errors as `value`."""
        buckets = [{**labels, "le": bound_text(bound)} for bound in (*BOUNDS, float("inf"))]
        places = tuple(self._place_of(key_of(f"{metric}_bucket", one)) for one in buckets)
        return Histogram(self._numbers, places, self._place_of(key_of(f"{metric}_sum", labels)))

    def _place_of(self, key: bytes) -> int:
        known = self._places.get(key)
        if known is None:
            index = len(self._places)
            if index == self._records:
                raise SpoolError("metrics-full", f"one process has more than {self._records} metrics")
            known = self._places[key] = _place(index)
            at = index * RECORD_BYTES
            self._area[at : at + KEY_BYTES] = key.ljust(KEY_BYTES, b"\0")
        return known

    def close(self) -> None:
        self._places.clear()
        self._numbers.release()
        self._area.close()


def records(area: mmap.mmap | bytes) -> list[tuple[bytes, float]]:
    """The keys in a process's file with their numbers, in the order in which they were first used."""
    found = []
    with memoryview(area) as whole, whole.cast("d") as numbers:
        for index in range(len(area) // RECORD_BYTES):
            at = index * RECORD_BYTES
            key = bytes(whole[at : at + KEY_BYTES]).rstrip(b"\0")
            if not key:
                break
            found.append((key, numbers[_place(index)]))
    return found


def key_of(metric: str, labels: dict[str, str]) -> bytes:
    """Name and labels as Prometheus writes them. ValueError as `Meter.value`."""
    if family(metric) not in METRICS:
        raise ValueError(f"the catalogue has no metric {metric}")
    for name, value in labels.items():
        if not (LABEL_VALUE.fullmatch(value) or name == "le"):
            raise ValueError("a label value is 1 to 40 letters, digits or _ . : -")
    inside = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    key = (f"{metric}{{{inside}}}" if inside else metric).encode("ascii")
    if len(key) > KEY_BYTES:
        raise ValueError(f"a metric with its labels has at most {KEY_BYTES} characters")
    return key


def bound_text(bound: float) -> str:
    """A bucket's upper bound as its `le` has it."""
    return "+Inf" if bound == float("inf") else f"{bound:g}"


def _shared(folder: Path, process: str, size: int) -> mmap.mmap:
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / process, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def _place(index: int) -> int:
    """Where the float of a record is, counted in floats."""
    return (index * RECORD_BYTES + KEY_BYTES) // 8


def _name(key: bytes) -> str:
    return key.partition(b"{")[0].decode("ascii")
