"""What a run of the sender tells: rates, latencies, statuses, and every object that was not taken."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from dataclasses import dataclass, field

OK = 0x0000


@dataclass(slots=True)
class Tally:
    """One association's counts. Not shared between threads; merged at the end. Latencies in seconds, sizes
    in bytes."""

    latencies: array[float] = field(default_factory=lambda: array("d"))
    statuses: Counter[int] = field(default_factory=Counter)
    stored: int = 0
    stored_bytes: int = 0
    refused: list[dict[str, str]] = field(default_factory=list)

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


def describe(tally: Tally, seconds: float, associations: int) -> dict[str, object]:
    """The run as a JSON object. Rates count what was stored; `latency_ms` is from the first byte of a
    request to its answer."""
    ordered = sorted(tally.latencies)
    told: dict[str, object] = {
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


def render(told: dict[str, object]) -> str:
    """The same for people."""
    rates = f"{told['objects_per_second']:.0f} objects/s, {told['megabytes_per_second']:.1f} MB/s"
    size = _size(told["bytes"])
    lines = [
        f"{told['objects']} objects, {size} in {told['seconds']:.2f} s: {rates}, K = {told['associations']}"
    ]
    latency = told.get("latency_ms")
    if isinstance(latency, dict):
        lines.append("latency  " + "  ".join(f"{name} {value:.1f} ms" for name, value in latency.items()))
    statuses = told["statuses"]
    if isinstance(statuses, dict) and statuses:
        lines.append("status   " + "  ".join(f"{status} × {count}" for status, count in statuses.items()))
    return "\n".join(lines)


def _size(count: object) -> str:
    value = float(count) if isinstance(count, int) else 0.0
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return ""
