"""One object larger than any process may be: 2 GB through gateway and platform."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gateway import peaks, travel
from benchmarks.inputs import huge_object
from benchmarks.result import Result, Row, Target

GIGABYTES = 2


def run(work: Path, rounds: int, objects: int) -> Result:  # noqa: ARG001 - one object, once, is what it takes
    """Needs four times the object's size on disk for a minute."""
    path = work / "huge.dcm"
    huge_object(path, GIGABYTES * 10**9)
    size = path.stat().st_size
    limits: dict[str, dict[str, int]] = {"spool": {"max_bytes": 4 * size}}
    trip = travel(work / "memory", path, 1, gateway=limits)
    path.unlink()
    rows = peaks([trip])
    rate = Row("first byte sent to the object on the platform", "MB/s", (size / 1e6 / trip.arrived,))
    return Result(
        name="memory",
        title=f"Memory, with one object of {GIGABYTES} GB",
        text=f"A multi-frame CT of {size:,} bytes. No process may hold it: bodies go from file to socket in pieces.",
        rows=(*rows, rate),
        targets=(Target("the largest process", 200.0, max(row.median for row in rows), "MB", most=True),),
    )
