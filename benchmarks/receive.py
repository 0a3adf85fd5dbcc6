"""The receiver beside DCMTK's storescp and Orthanc: the same sender, the same objects, the same disk, 1, 2 and 4
associations.

python -m benchmarks receive"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import disk, receivers
from benchmarks.inputs import Slice, ct_slice
from benchmarks.processes import usage
from benchmarks.result import Result, Row, Target, ratio
from engine.scu.association import Target as Peer
from engine.sender.load import Load
from engine.sender.load import run as send

ASSOCIATIONS = (1, 2, 4)
DURABLE, FLUSH, SECURED, STORESCP, ORTHANC = "durable", "flush", "tls", "storescp", "orthanc"
SUBJECTS = (STORESCP, DURABLE, FLUSH, SECURED, ORTHANC)
WANTED = {(DURABLE, STORESCP): 0.8, (FLUSH, STORESCP): 1.3, (DURABLE, ORTHANC): 3.0}
MB_A_PROCESS, MB_AN_ASSOCIATION = 100.0, 2.0
WARM_UP = 20


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
    subjects = [name for name in SUBJECTS if receivers.exists(name)]
    seen = {name: Seen() for name in subjects}
    alone: list[float] = []
    for number in range(rounds):
        alone.append(disk.rate(place / "disk", piece.path.read_bytes(), objects))
        for associations in ASSOCIATIONS:
            for name in subjects:
                folder = place / f"{name}-{number}-{associations}"
                rate, peak = measure(name, folder, piece, objects, associations)
                seen[name].rates[associations].append(rate)
                seen[name].peak[associations].append(peak)
    return _result(piece, objects, seen, tuple(alone))


def measure(name: str, folder: Path, piece: Slice, objects: int, associations: int) -> tuple[float, float]:
    """Objects a second, and the largest process in MB. RuntimeError if one object was not taken."""
    folder.mkdir()
    with receivers.running(name, folder) as receiver:
        peer = Peer(receivers.HOST, receiver.port, tls=receiver.tls)
        send(Load(peer, (piece.path,), associations, WARM_UP))
        told = send(Load(peer, (piece.path,), associations, objects))
        if told["objects"] != objects:
            raise RuntimeError(f"{name}: not everything was taken: {told['refused'][:3]}")
        peak = max((one.peak_rss for one in usage(receiver.pid, name)), default=0)
    shutil.rmtree(folder)
    return told["objects_per_second"], peak / 1e6


def _result(piece: Slice, objects: int, seen: dict[str, Seen], alone: tuple[float, ...]) -> Result:
    words = {
        STORESCP: "DCMTK storescp --fork -pdu 131072, no sync",
        DURABLE: "Penstock, durable",
        FLUSH: "Penstock, flush",
        SECURED: "Penstock, durable, by TLS 1.3",
        ORTHANC: "Orthanc, SyncStorageArea",
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
            f"the largest receiver process, plain or TLS, {k} association{'s' if k > 1 else ''}",
            "MB",
            tuple(map(max, seen[DURABLE].peak[k], seen[SECURED].peak[k])),
        )
        for k in ASSOCIATIONS
    }
    targets = [
        Target(f"{name}, {k} to {peer}, {k}", wanted, ratio(rates[name, k], rates[peer, k]))
        for (name, peer), wanted in WANTED.items()
        for k in ASSOCIATIONS
        if peer in seen
    ]
    targets += [
        Target(row.name, MB_A_PROCESS + k * MB_AN_ASSOCIATION, max(row.values), "MB", most=True)
        for k, row in memory.items()
    ]
    return Result(
        name="receive",
        title="Receiving, beside storescp and Orthanc",
        text=(
            f"{objects} copies of {piece.name} ({piece.size:,} bytes) by `penstock send` from the same machine, in turn. "
            "Durable: each object is synced, named, and its name synced before it is acknowledged; flush and storescp do not "
            f"sync, Orthanc syncs each file. Penstock runs {receivers.PROCESSES} processes, storescp one for each association."
        ),
        rows=(
            Row("the disk alone: written, durable, named, one after the other", "objects/s", alone),
            *rates.values(),
            *memory.values(),
        ),
        targets=tuple(targets),
    )
