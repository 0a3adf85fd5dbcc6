"""Objects of other sizes, and a cache that is cold: where the time goes when the object is not a CT slice."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from benchmarks import measure
from benchmarks.inputs import Slice, clones
from benchmarks.result import Result, Row, Target, ratio
from benchmarks.shapes import KINDS, Kind

COPY, OURS = "copy-unaligned", "penstock"
LEAST = 0.5
ROUNDS_OF_MANY = 3  # of 100,000 objects, warm


def run(work: Path, rounds: int, objects: int) -> Result:
    """Each kind of object, copied and rewritten in turn, `rounds` times; `objects` per thousand of the usual number."""
    rows: list[Row] = []
    targets: list[Target] = []
    for kind in KINDS:
        count = max(1, kind.objects * objects // 1000)
        source = _make(kind, work, count)
        size = next(source.iterdir()).stat().st_size
        for cold in (False, True):
            turns = _turns(kind, source, rounds, cold=cold)
            told: dict[str, list[dict[str, float]]] = {COPY: [], OURS: []}
            for folder in turns:
                for name, ones in told.items():
                    ones.append(measure.subject(name, folder, work, count, cold=cold))
            clock = "seconds" if cold else "cpu_seconds"
            found = {
                name: Row(
                    f"{kind.name}, {'cold' if cold else 'warm'}: {'Penstock' if name == OURS else 'copy'}",
                    "files/s",
                    tuple(one["objects"] / one[clock] for one in ones),
                    f"{max(size * one['objects'] / one[clock] for one in ones) / 1e6:,.0f} MB/s at best, "
                    f"peak RSS {max(one['peak_rss'] for one in ones) / 1e6:.0f} MB",
                )
                for name, ones in told.items()
            }
            rows += found.values()
            if size > 100_000 and not cold:
                targets.append(Target(f"{kind.name}, to the copy", LEAST, ratio(found[OURS], found[COPY])))
    for folder in (*work.glob("kind-*"), *work.glob("out-*")):  # not before: see benchmarks.subjects.CHUNK
        shutil.rmtree(folder)
    return Result(
        name="sizes",
        title="Other sizes, warm and cold",
        text=(
            "File to file on one core with `default` and its leak scan, beside a copy to the same unaligned offsets. Warm: "
            "the pages are in the cache, processor time. Cold: they were put out of it, wall time, which is the disk's. "
            "An object of 8 KB is next to nothing but its head, so no copy can be a measure for it. There are 100,000 of "
            "these in one folder: warm, each round takes all of them; cold, each takes its share, so that each is read once."
        ),
        rows=tuple(rows),
        targets=tuple(targets),
    )


def _turns(kind: Kind, source: Path, rounds: int, *, cold: bool) -> list[Path]:
    """The folder that each round takes: all of `source`, or of many objects, cold, a share that no other round has."""
    if not kind.many:
        return [source] * rounds
    if not cold:
        return [source] * min(rounds, ROUNDS_OF_MANY)
    paths = sorted(source.iterdir())
    shares = [source.with_name(f"{source.name}-{number}") for number in range(min(rounds, len(paths)))]
    for share in shares:
        share.mkdir()
    for number, path in enumerate(paths):
        os.link(path, shares[number % len(shares)] / path.name)
    return shares


def _make(kind: Kind, work: Path, count: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kind-", dir=work))
    seed = work / "seed.dcm"
    kind.make(seed)
    clones(Slice(seed, kind.name, seed.stat().st_size, 0), folder, count)
    seed.unlink()
    return folder
