"""More workers: `penstock batch` with one, two … as there are cores, and what a model makes of it for larger machines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

from benchmarks import measure
from benchmarks.inputs import ROOT, Slice, ct_slice, distinct
from benchmarks.result import Result, Row, Target, ratio
from engine.pseudonymize.identity import HashSecret

PREDICTED = (8, 16, 64)
STUDIES = 8
COPY = "copy-unaligned"
MEMORY = Path("/dev/shm")


def run(work: Path, rounds: int, objects: int) -> Result:
    """`objects` CT slices by `penstock batch --workers N`, all N in turn, `rounds` times."""
    piece = ct_slice(work)
    if _fits(MEMORY, 3 * objects * piece.size):
        with tempfile.TemporaryDirectory(prefix="penstock-bench-", dir=MEMORY) as folder:
            return _run(
                piece, Path(folder), rounds, objects, "in memory (tmpfs), so that no disk is measured"
            )
    return _run(piece, work, rounds, objects, "on this disk")


def _fits(place: Path, size: int) -> bool:
    return place.is_dir() and os.statvfs(place).f_bavail * os.statvfs(place).f_frsize > size


def _run(piece: Slice, work: Path, rounds: int, objects: int, where: str) -> Result:
    source = work / "scale"
    distinct(piece, source, objects, STUDIES)
    secret = work / "scale-secret"
    HashSecret.generate().write(secret)
    cores = len(os.sched_getaffinity(0))
    counts = sorted({1, *(n for n in (2, 4, 8, 16, 32, 64) if n <= cores), cores})
    rates: dict[int, list[float]] = {n: [] for n in counts}
    copies: dict[int, list[float]] = {n: [] for n in counts}
    for _ in range(rounds):
        for n in counts:
            rates[n].append(_rate(source, work / "out", secret, n, objects))
            copies[n].append(_copies(source, work, n, objects))
    rows = {n: Row(f"{n} worker{'s' if n > 1 else ''}", "objects/s", tuple(rates[n])) for n in counts}
    plain = {
        n: Row(f"copies alone, {n} process{'es' if n > 1 else ''}", "objects/s", tuple(copies[n]))
        for n in counts
    }
    serial = {n: _serial(ratio(rows[n], rows[1]), n) for n in counts[1:]}
    part = max(serial.values(), default=0.0)
    model = [
        Row(f"model: {n} cores", "× one worker", (speedup(n, part),), f"serial part {part:.1%}")
        for n in PREDICTED
    ]
    return Result(
        name="scale",
        title="Workers",
        text=(
            f"{objects} copies of {piece.name} in {STUDIES} studies, folder to folder {where}, by `penstock batch`, which groups, "
            "names, journals and writes receipts too; from the first job to the last result. Copies alone say what this machine "
            "has to give: processes that do nothing but write another head and copy the rest, each on its own core. The model is "
            "Amdahl's law with the serial part that the measured speed-up implies. It assumes that disk and memory keep up "
            "(16 workers at this rate read and write some 10 GB/s, more than most disks give) and that studies are many."
        ),
        rows=(*rows.values(), *plain.values(), *model),
        targets=_targets(rows, plain) if 2 in rows else (),
    )


def _targets(rows: dict[int, Row], plain: dict[int, Row]) -> tuple[Target, ...]:
    gain, most = ratio(rows[2], rows[1]), ratio(plain[2], plain[1])
    return (
        Target("two workers to one", 1.8, gain),
        Target("two workers' gain to that of two copies", 0.95, gain / most),
    )


def _copies(source: Path, work: Path, processes: int, objects: int) -> float:
    """Objects a second of so many copying processes together."""
    share = objects // processes
    commands = [measure.command(COPY, source, measure.new_folder(work), share) for _ in range(processes)]
    told = measure.on_cores(commands)
    for folder in work.glob("out-*"):
        shutil.rmtree(folder)
    return processes * share / max(one["seconds"] for one in told)


def _serial(gain: float, workers: int) -> float:
    """The serial part by Amdahl's law, from none to all."""
    return min(1.0, max(0.0, (workers / gain - 1) / (workers - 1)))


def speedup(workers: int, serial: float) -> float:
    """How much faster `workers` are than one when `serial` of one's work cannot be shared (Amdahl)."""
    return 1 / (serial + (1 - serial) / workers)


def _rate(source: Path, out: Path, secret: Path, workers: int, objects: int) -> float:
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    command = [
        sys.executable,
        "-m",
        "engine.cli",
        "batch",
        str(source),
        str(out),
        "--json",
        "--same-uid",
        "keep",
    ]
    command += ["--secret-file", str(secret), "--workers", str(workers)]
    began = time.monotonic()
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:
        raise RuntimeError(f"batch failed after {time.monotonic() - began:.1f} s:\n{told.stderr}")
    seconds: float = orjson.loads(told.stdout)["seconds"]
    shutil.rmtree(out)
    return objects / seconds
