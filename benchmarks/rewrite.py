"""File to file on one core, warm cache: Penstock between the plain copy below it and its peers above it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks import measure
from benchmarks.inputs import ROOT, Slice, clones, ct_slice
from benchmarks.result import Result, Row, Target, ratio

OURS = {
    "copy-aligned": "`copy_file_range` of the whole file",
    "copy-unaligned": "another head, then `copy_file_range`",
    "penstock": "Penstock, `default` profile",
    "penstock-research": "Penstock, `research` profile",
    "penstock-aligned": "Penstock, `default`, `--page-align`",
    "gateway-step": "Penstock, the gateway's step: plan to sidecar, no pixel copied",
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
            told = _measure(name, source, work, objects)
            rates[name].append(told["objects"] / told["cpu_seconds"])
            memory[name] = max(memory.get(name, 0.0), told["peak_rss"])
    shutil.rmtree(source)
    for folder in work.glob("out-*"):
        shutil.rmtree(folder)
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
        f"{objects} copies of {piece.name} ({piece.size:,} bytes, {piece.elements} elements), page cache warm, leak scan on, each "
        "subject in a process of its own on one core, all in turn, round by round; outputs are emptied, untimed, after "
        "every 100. Rates count processor time (user and system), which is all of the time on a machine that is idle."
    )
    if peers:
        return f"{text} Peers run inside one process over {min(PEER_FILES, objects)} of the files."
    return f"{text} The peers are not installed: `scripts/benchmark-peers`."


def _targets(rows: dict[str, Row]) -> tuple[Target, ...]:
    wanted = [
        ("penstock", "copy-aligned", 0.5, "default to the whole-file copy"),
        ("penstock", "copy-unaligned", 0.85, "default to the copy at the same unaligned offsets"),
        ("penstock-research", "copy-aligned", 0.4, "research to the whole-file copy"),
        ("penstock-aligned", "copy-aligned", 0.8, "page-aligned to the whole-file copy"),
        ("gateway-step", "copy-aligned", 1.5, "the gateway's step to the whole-file copy"),
        ("penstock", "dcmanon", 5.0, "default to dcmanon"),
        ("penstock", "dicognito", 25.0, "default to dicognito"),
        ("penstock", "dicom-anonymizer", 25.0, "default to dicom-anonymizer"),
    ]
    return tuple(
        Target(what, factor, ratio(rows[ours], rows[other]))
        for ours, other, factor, what in wanted
        if other in rows
    )


def _installed_peers() -> dict[str, str]:
    """The peers that are there, with their versions."""
    python = ROOT / "build" / "peers" / "bin" / "python"
    if not python.exists():
        return {}
    script = "from importlib.metadata import version; import sys; print(*(version(n) for n in sys.argv[1:]))"
    told = subprocess.run([python, "-c", script, *PEERS], capture_output=True, text=True, check=True).stdout
    return dict(zip(PEERS, told.split(), strict=True))


def _measure(name: str, source: Path, work: Path, objects: int) -> dict[str, float]:
    if name not in PEERS:
        return measure.subject(name, source, work, objects)
    python, script = ROOT / "build" / "peers" / "bin" / "python", ROOT / "benchmarks" / "peers.py"
    count = str(min(objects, PEER_FILES))
    target = measure.new_folder(work)
    return measure.on_one_core([str(python), str(script), name, str(source), str(target), count])
