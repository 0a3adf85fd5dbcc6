"""The receiver beside DCMTK's storescp and Orthanc: the same sender, the same objects, the same disk, 1, 2 and 4
associations.

A receiver's folder is fresh, or one that empties: as many files as are measured came before, and were removed. ext4 gives their
inodes out a minute later and walks over each of them until then, which is the everyday state of a spool.

python -m benchmarks receive"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import disk, receivers
from benchmarks.inputs import Slice, ct_slice
from benchmarks.measure import new_folder
from benchmarks.processes import usage
from benchmarks.result import Result, Row, Target, ratio
from engine.scu.association import Target as Peer
from engine.sender.load import Load
from engine.sender.load import run as send

ASSOCIATIONS = (1, 2, 4)
AT_ONCE = (1, 4, 16)
DURABLE, FLUSH, SECURED, STORESCP, ORTHANC = "durable", "flush", "tls", "storescp", "orthanc"
SUBJECTS = (STORESCP, DURABLE, FLUSH, SECURED, ORTHANC)
EMPTIES = "emptying folder"
WINDOW = 8
OUTSTANDING = f"{WINDOW} requests outstanding"
WANTED = {(DURABLE, STORESCP): 0.8, (FLUSH, STORESCP): 1.3, (DURABLE, ORTHANC): 3.0}
MB_A_PROCESS, MB_AN_ASSOCIATION = 100.0, 2.0
STATES = {"": SUBJECTS, EMPTIES: (STORESCP, DURABLE, FLUSH), OUTSTANDING: (DURABLE,)}
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
    subjects = [(name, state) for state, names in STATES.items() for name in names if receivers.exists(name)]
    seen = {subject: Seen() for subject in subjects}
    alone: dict[int, list[float]] = {at_once: [] for at_once in AT_ONCE}
    for _ in range(rounds):
        for at_once, rates in alone.items():
            rates.append(disk.rate(new_folder(place), piece.path.read_bytes(), objects, at_once))
        for associations in ASSOCIATIONS:
            for name, state in subjects:
                rate, peak = measure(name, state, new_folder(place), piece, objects, associations)
                seen[name, state].rates[associations].append(rate)
                seen[name, state].peak[associations].append(peak)
    return _result(piece, objects, seen, alone)


def measure(
    name: str, state: str, folder: Path, piece: Slice, objects: int, associations: int
) -> tuple[float, float]:
    """Objects a second, and the largest process in MB. RuntimeError if one object was not taken."""
    window = WINDOW if state == OUTSTANDING else 1
    with receivers.running(name, folder) as receiver:
        peer = Peer(receivers.HOST, receiver.port, tls=receiver.tls)
        send(Load(peer, (piece.path,), associations, WARM_UP))
        if state == EMPTIES:
            send(Load(peer, (piece.path,), associations, objects))
            for path in _objects(folder, piece):
                path.unlink()
        told = send(Load(peer, (piece.path,), associations, objects, window))
        if told["objects"] != objects:
            raise RuntimeError(f"{name}: not everything was taken: {told['refused'][:3]}")
        peak = max((one.peak_rss for one in usage(receiver.pid, name)), default=0)
    for path in _objects(folder, piece):
        os.truncate(path, 0)  # removed, they would slow down whoever is measured next
    return told["objects_per_second"], peak / 1e6


def _objects(folder: Path, piece: Slice) -> list[Path]:
    """The files in which a receiver keeps the objects."""
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size >= piece.size // 2]


def _result(
    piece: Slice, objects: int, seen: dict[tuple[str, str], Seen], alone: dict[int, list[float]]
) -> Result:
    words = {
        STORESCP: "DCMTK storescp, no sync",
        DURABLE: "Penstock, durable",
        FLUSH: "Penstock, flush",
        SECURED: "Penstock, durable, by TLS 1.3",
        ORTHANC: "Orthanc, SyncStorageArea",
    }
    rates = {
        (name, state, k): Row(
            f"{', '.join(filter(None, (words[name], state)))}, {_associations(k)}",
            "objects/s",
            tuple(one.rates[k]),
        )
        for state in STATES
        for k in ASSOCIATIONS
        for (name, where), one in seen.items()
        if where == state
    }
    memory = {
        k: Row(
            f"the largest receiver process, plain or TLS, {_associations(k)}",
            "MB",
            tuple(map(max, seen[DURABLE, ""].peak[k], seen[SECURED, ""].peak[k])),
        )
        for k in ASSOCIATIONS
    }
    targets = [
        Target(
            f"{name}, {k} to {peer}, {k}" + f", {state}" * bool(state),
            wanted,
            ratio(rates[name, state, k], rates[peer, state, k]),
        )
        for state in STATES
        for (name, peer), wanted in WANTED.items()
        for k in ASSOCIATIONS
        if (peer, state) in seen
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
            f"sync, Orthanc syncs each file. Penstock runs {receivers.PROCESSES} processes, storescp (`--fork -pdu 131072`) one "
            f"for each association. {EMPTIES.capitalize()}: {objects} others came before and were removed. "
            f"{OUTSTANDING} (asynchronous operations): the sender does not wait for each answer."
        ),
        rows=(
            *(
                Row(
                    f"the disk alone: written, durable, named, {at_once} at a time", "objects/s", tuple(rates)
                )
                for at_once, rates in alone.items()
            ),
            *rates.values(),
            *memory.values(),
        ),
        targets=tuple(targets),
    )


def _associations(count: int) -> str:
    return f"{count} association{'s' if count > 1 else ''}"
