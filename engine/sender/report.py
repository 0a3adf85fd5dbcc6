"""What a run of the sender tells: rates, latencies, statuses, and every object that was not taken."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import NotRequired, TypedDict

OK = 0x0000


class Refused(TypedDict):
    """An object that was not stored; `path` is "" where no object is to blame."""

    path: str
    reason: str


class Report(TypedDict):
    """A run. Rates count what was stored; `latency_ms` (p50, p90, p99, max) is from the first byte of a
    request to its answer."""

    objects: int
    bytes: int
    seconds: float
    objects_per_second: float
    megabytes_per_second: float
    associations: int
    statuses: dict[str, int]
    refused: list[Refused]
    latency_ms: NotRequired[dict[str, float]]


@dataclass(slots=True)
class Tally:
    """One association's counts. Not shared between threads; merged at the end. Latencies in seconds, sizes
    in bytes."""

    latencies: array[float] = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter)
    stored: int = 0
    stored_bytes: int = 0
    refused: list[Refused] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.latencies.extend(other.latencies)
        self.statuses.update(other.statuses)
        self.stored += other.stored
        self.stored_bytes += other.stored_bytes
        self.refused += other.refused


def is_stored(status: int) -> bool:
    """Success or a warning (PS3.4 section B.2.3): the peer keeps the object."""
    return status == OK or status == 0x0001 or status >> 12 == 0xB


def percentile(ordered: list[float], part: float) -> float:
    """Nearest rank: the smallest value that `part` (0 to 1) of all values do not exceed."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def describe(tally: Tally, seconds: float, associations: int) -> Report:
    """The run, which took `seconds`."""
    ordered = sorted(tally.latencies)
    told: Report = {
        "objects": tally.stored,
        "bytes": tally.stored_bytes,
        "seconds": round(seconds, 6),
        "objects_per_second": round(tally.stored / seconds, 2) if seconds else 0.0,
        "megabytes_per_second": round(tally.stored_bytes / seconds / 1e6, 2) if seconds else 0.0,
        "associations": associations,
        "statuses": {f"{status:04X}": count for status, count in sorted(tally.statuses.items())},
        "refused": tally.refused,
    }
    if ordered:
        parts = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        told["latency_ms"] = {
            name: round(percentile(ordered, part) * 1e3, 3) for name, part in parts.items()
        } | {"max": round(ordered[-1] * 1e3, 3)}
    return told


def render(told: Report) -> str:
    """The same for people."""
    rates = f"{told['objects_per_second']:.0f} objects/s, {told['megabytes_per_second']:.1f} MB/s"
    size = _size(told["bytes"])
    lines = [
        f"{told['objects']} objects, {size} in {told['seconds']:.2f} s: {rates}, K = {told['associations']}"
    ]
    if "latency_ms" in told:
        lines.append(
            "latency  " + "  ".join(f"{name} {value:.1f} ms" for name, value in told["latency_ms"].items())
        )
    if told["statuses"]:
        lines.append(
            "status   " + "  ".join(f"{status} × {count}" for status, count in told["statuses"].items())
        )
    return "\n".join(lines)


def _size(count: int) -> str:
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return ""
