"""The receiver beside DCMTK's storescp: the same sender, the same objects, the same disk, 1, 2 and 4
associations.

python -m benchmarks receive"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.inputs import Slice, ct_slice
from benchmarks.processes import usage
from benchmarks.result import Result, Row, Target, ratio
from engine.scu.association import Target as Peer
from engine.sender.load import Load
from engine.sender.load import run as send

HOST = "127.0.0.1"
STORESCP = Path("/usr/bin/storescp")
ASSOCIATIONS = (1, 2, 4)
PROCESSES = 2
DURABLE, FLUSH, PEER = "durable", "flush", "storescp"
SUBJECTS = (PEER, DURABLE, FLUSH)
WANTED = {DURABLE: 0.8, FLUSH: 1.3}
MB_A_PROCESS, MB_AN_ASSOCIATION = 100.0, 2.0
WARM_UP = 20
PATIENCE = 30.0

ROLE = """
import sys
from engine import log
from engine.config import load_gateway
from engine.receiver.main import run
log.configure("error")
sys.exit(run(load_gateway(sys.argv[1])))
"""
CONFIG = """
[spool]
path = "spool"
durability = "{durability}"
[receiver]
host = "127.0.0.1"
port = {port}
processes = {processes}
[[receiver.peer]]
ae_title = "*"
network = "127.0.0.0/8"
[identity]
secret_file = "secret"
[uploader]
url = "https://localhost:1"
certificate = "c"
key = "k"
ca = "a"
"""


@dataclass(slots=True)
class Seen:
    """What one subject did: objects a second by number of associations, and the most memory of a process in
    MB."""

    rates: dict[int, list[float]] = field(default_factory=lambda: {k: [] for k in ASSOCIATIONS})
    peak: dict[int, list[float]] = field(default_factory=lambda: {k: [] for k in ASSOCIATIONS})


def run(work: Path, rounds: int, objects: int) -> Result:
    """`objects` clones of the CT slice a measurement, the subjects in turn; each in a fresh folder of its
    own."""
    piece = ct_slice(work)
    place = work / "receive"
    place.mkdir()
    subjects = SUBJECTS if STORESCP.exists() else (DURABLE, FLUSH)
    seen = {name: Seen() for name in subjects}
    for number in range(rounds):
        for associations in ASSOCIATIONS:
            for name in subjects:
                folder = place / f"{name}-{number}-{associations}"
                rate, peak = measure(name, folder, piece, objects, associations)
                seen[name].rates[associations].append(rate)
                seen[name].peak[associations].append(peak)
    return _result(piece, objects, seen)


def measure(name: str, folder: Path, piece: Slice, objects: int, associations: int) -> tuple[float, float]:
    """Objects a second, and the largest process in MB. RuntimeError if one object was not taken."""
    folder.mkdir()
    with _subject(name, folder) as (process, port):
        peer = Peer(HOST, port)
        send(Load(peer, (piece.path,), associations, WARM_UP))
        told = send(Load(peer, (piece.path,), associations, objects))
        if told["objects"] != objects:
            raise RuntimeError(f"{name}: not everything was taken: {told['refused'][:3]}")
        peak = max((one.peak_rss for one in usage(process.pid, name)), default=0)
    shutil.rmtree(folder)
    return told["objects_per_second"], peak / 1e6


@contextlib.contextmanager
def _subject(name: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = int(free.getsockname()[1])
    if name == PEER:
        command = [str(STORESCP), "--fork", "-pdu", "131072", "-aet", "PENSTOCK", str(port)]
    else:
        (folder / "spool").mkdir(mode=0o700)
        config = folder / "gateway.toml"
        config.write_text(
            CONFIG.format(durability=name if name == FLUSH else "fsync", port=port, processes=PROCESSES)
        )
        command = [sys.executable, "-c", ROLE, str(config)]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield process, port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1.0):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nobody listens on port {port}")


def _result(piece: Slice, objects: int, seen: dict[str, Seen]) -> Result:
    words = {
        PEER: "DCMTK storescp --fork -pdu 131072, no sync",
        DURABLE: "Penstock, durable",
        FLUSH: "Penstock, flush",
    }
    rates = {
        (name, k): Row(
            f"{words[name]}, {k} association{'s' if k > 1 else ''}", "objects/s", tuple(one.rates[k])
        )
        for k in ASSOCIATIONS
        for name, one in seen.items()
    }
    memory = {
        k: Row(
            f"the largest receiver process, {k} association{'s' if k > 1 else ''}",
            "MB",
            tuple(seen[DURABLE].peak[k]),
        )
        for k in ASSOCIATIONS
    }
    targets = [
        Target(f"{name}, {k} to storescp, {k}", wanted, ratio(rates[name, k], rates[PEER, k]))
        for name, wanted in WANTED.items()
        for k in ASSOCIATIONS
        if PEER in seen
    ]
    targets += [
        Target(row.name, MB_A_PROCESS + k * MB_AN_ASSOCIATION, max(row.values), "MB", most=True)
        for k, row in memory.items()
    ]
    return Result(
        name="receive",
        title="Receiving, beside storescp",
        text=(
            f"{objects} copies of {piece.name} ({piece.size:,} bytes) by `penstock send` from the same machine. "
            "Durable: each object is synced, named, and its folder synced before it is acknowledged; flush: it is not. "
            f"Penstock runs {PROCESSES} processes, storescp one for each association."
        ),
        rows=(*rates.values(), *memory.values()),
        targets=tuple(targets),
    )
