"""Objects of other sizes, and a cache that is cold: where the time goes when the object is not a CT slice."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks import measure
from benchmarks.inputs import Slice, clones
from benchmarks.result import Result, Row, Target, ratio
from benchmarks.shapes import KINDS, Kind

COPY, OURS = "copy-unaligned", "penstock"
LEAST = 0.5


def run(work: Path, rounds: int, objects: int) -> Result:
    """Each kind of object, copied and rewritten in turn, `rounds` times; `objects` per thousand of the usual number."""
    rows: list[Row] = []
    targets: list[Target] = []
    for kind in KINDS:
        count = max(1, kind.objects * objects // 1000)
        source = _make(kind, work, count)
        size = next(source.iterdir()).stat().st_size
        for cold in (False, True):
            told = {
                name: [measure.subject(name, source, work / "out", count, cold=cold) for _ in range(rounds)]
                for name in (COPY, OURS)
            }
            clock = "seconds" if cold else "cpu_seconds"
            found = {
                name: Row(
                    f"{kind.name}, {'cold' if cold else 'warm'}: {'Penstock' if name == OURS else 'copy'}",
                    "files/s",
                    tuple(one["objects"] / one[clock] for one in ones),
                    f"{size * count / 1e6 / min(one[clock] for one in ones):,.0f} MB/s at best, "
                    f"peak RSS {max(one['peak_rss'] for one in ones) / 1e6:.0f} MB",
                )
                for name, ones in told.items()
            }
            rows += found.values()
            if size > 100_000 and not cold:
                targets.append(Target(f"{kind.name}, to the copy", LEAST, ratio(found[OURS], found[COPY])))
        shutil.rmtree(source)
    return Result(
        name="sizes",
        title="Other sizes, warm and cold",
        text=(
            "File to file on one core with `default` and its leak scan, beside a copy to the same unaligned offsets. Warm: "
            "the pages are in the cache, processor time. Cold: they were put out of it, wall time, which is the disk's. "
            "An object of 8 KB is next to nothing but its head, so no copy can be a measure for it."
        ),
        rows=tuple(rows),
        targets=tuple(targets),
    )


def _make(kind: Kind, work: Path, count: int) -> Path:
    folder = work / "kind"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seed = work / "seed.dcm"
    kind.make(seed)
    clones(Slice(seed, kind.name, seed.stat().st_size, 0), folder, count)
    seed.unlink()
    return folder
