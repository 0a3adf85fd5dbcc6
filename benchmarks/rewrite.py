"""File to file on one core, warm cache: Penstock between the plain copy below it and its peers above it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import orjson

from benchmarks.inputs import ROOT, Slice, clones, ct_slice
from benchmarks.result import Result, Row, Target, ratio

OURS = {
    "copy-aligned": "`copy_file_range` of the whole file",
    "copy-unaligned": "another head, then `copy_file_range`",
    "penstock": "Penstock, `default` profile",
}
PEERS = ("dcmanon", "dicom-anonymizer", "dicognito")
PEER_FILES = 200


def run(work: Path, rounds: int, objects: int) -> Result:
    """`objects` clones of the CT slice, `rounds` times round all subjects, so that neighbours in time are compared."""
    piece = ct_slice(work)
    source = work / "clones"
    clones(piece, source, objects)
    peers = _installed_peers()
    rates: dict[str, list[float]] = {name: [] for name in [*OURS, *peers]}
    memory: dict[str, float] = {}
    for _ in range(rounds):
        for name in rates:
            told = _measure(name, source, work / "out", objects)
            rates[name].append(told["objects"] / told["cpu_seconds"])
            memory[name] = max(memory.get(name, 0.0), told["peak_rss"])
    rows = {
        name: Row(_title(name, peers), "files/s", tuple(values), f"peak RSS {memory[name] / 1e6:.0f} MB")
        for name, values in rates.items()
    }
    return Result(
        name="rewrite",
        title="Rewriting, file to file, one core",
        text=_text(piece, objects, list(peers)),
        rows=tuple(rows.values()),
        targets=_targets(rows),
    )


def _title(name: str, peers: dict[str, str]) -> str:
    return OURS.get(name) or f"`{name}` {peers[name]}"


def _text(piece: Slice, objects: int, peers: list[str]) -> str:
    text = (
        f"{objects} copies of {piece.name} ({piece.size:,} bytes, {piece.elements} elements), page cache warm, each "
        "subject in a process of its own on one core, all in turn, round by round; outputs are removed, untimed, after "
        "every 100. Rates count processor time (user and system), which is all of the time on a machine that is idle."
    )
    if peers:
        return f"{text} Peers run inside one process over {min(PEER_FILES, objects)} of the files."
    return f"{text} The peers are not installed: `scripts/benchmark-peers`."


def _targets(rows: dict[str, Row]) -> tuple[Target, ...]:
    penstock = rows["penstock"]
    wanted = [("copy-aligned", 0.5, "the plain copy"), ("dcmanon", 5.0, "dcmanon")]
    wanted += [("dicognito", 25.0, "dicognito"), ("dicom-anonymizer", 25.0, "dicom-anonymizer")]
    return tuple(
        Target(f"Penstock against {what}", factor, ratio(penstock, rows[name]))
        for name, factor, what in wanted
        if name in rows
    )


def _installed_peers() -> dict[str, str]:
    """The peers that are there, with their versions."""
    python = ROOT / "build" / "peers" / "bin" / "python"
    if not python.exists():
        return {}
    script = "from importlib.metadata import version; import sys; print(*(version(n) for n in sys.argv[1:]))"
    told = subprocess.run([python, "-c", script, *PEERS], capture_output=True, text=True, check=True).stdout
    return dict(zip(PEERS, told.split(), strict=True))


def _measure(name: str, source: Path, target: Path, objects: int) -> dict[str, float]:
    """One subject, once, on one core and into a fresh folder."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if name in PEERS:
        python, script = ROOT / "build" / "peers" / "bin" / "python", [str(ROOT / "benchmarks" / "peers.py")]
        objects = min(objects, PEER_FILES)
    else:
        python, script = Path(sys.executable), ["-m", "benchmarks.subjects"]
    core = min(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(core), str(python), *script, name, str(source), str(target), str(objects)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:
        raise RuntimeError(f"{name} failed:\n{told.stderr}")
    shutil.rmtree(target)
    numbers: dict[str, float] = orjson.loads(told.stdout.splitlines()[-1])
    return numbers
