"""The whole way on one machine: sender, gateway and platform share its cores; from the first byte to the last receipt."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pydicom

from benchmarks.inputs import ct_slice
from benchmarks.processes import Usage, usage
from benchmarks.result import Result, Row, Target
from engine.demo import stage
from engine.demo.reader import Reader
from engine.demo.stage import CALLED, CALLING, HOST, Stage
from engine.errors import PenstockError
from engine.scu.association import Target as Peer
from engine.sender.load import Load
from engine.sender.load import run as send

ASSOCIATIONS = 2
MOST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Travel:
    """One trip of some objects: seconds until the last acknowledgement and until the platform listed the last one.

    `cpu`: processor seconds of gateway and platform together, from the first byte sent.
    """

    objects: int
    acknowledged: float
    arrived: float
    cpu: float
    usage: list[Usage]


def travel(folder: Path, path: Path, clones: int, gateway: stage.Changes | None = None) -> Travel:
    """Sends `clones` copies of one file through a fresh gateway and platform in `folder`. RuntimeError if one is lost."""
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    scene = stage.build(folder, gateway=gateway)
    hashed_id = scene.secret.hashed_id(str(ds.PatientID))
    with stage.running(scene):
        told: dict[str, object] = {}
        before = _cpu(_usage(scene))
        sender = threading.Thread(target=_send, args=(scene, path, clones, told))
        began = time.monotonic()
        sender.start()
        arrived = _arrival(scene, hashed_id, clones) - began
        sender.join()
        if told.get("objects") != clones:
            raise RuntimeError(f"not everything was taken: {told}")
        taken = _usage(scene)
        return Travel(clones, float(str(told["seconds"])), arrived, _cpu(taken) - before, taken)


def _usage(scene: Stage) -> list[Usage]:
    return usage(scene.gateway.pid, "gateway") + usage(scene.platform.pid, "platform")


def _cpu(taken: list[Usage]) -> float:
    return sum(process.cpu for process in taken)


def _send(scene: Stage, path: Path, clones: int, told: dict[str, object]) -> None:
    target = Peer(HOST, scene.gateway_port, CALLED, CALLING)
    try:
        told.update(send(Load(target, (path,), min(ASSOCIATIONS, clones), clones if clones > 1 else 0)))
    except PenstockError as error:
        told["error"] = error.describe()


def _arrival(scene: Stage, hashed_id: str, objects: int) -> float:
    """The moment at which the platform lists them all (seen within 50 ms)."""
    until = time.monotonic() + MOST_SECONDS
    with Reader(scene.platform_url, scene.certificates) as reader:
        while time.monotonic() < until:
            if sum(int(study["objects"]) for study in reader.studies(hashed_id)) >= objects:
                return time.monotonic()
            time.sleep(0.05)
    raise RuntimeError("the platform never had everything:\n" + "\n".join(scene.gateway.tail()))


def run(work: Path, rounds: int, objects: int) -> Result:
    """`objects` clones of the CT slice, `rounds` times, each with processes of its own."""
    piece = ct_slice(work)
    trips = [travel(work / f"gateway-{number}", piece.path, objects) for number in range(rounds)]
    arrived = Row("first byte sent to last object on the platform", "objects/s", _rates(trips, "arrived"))
    acknowledged = Row(
        "first byte sent to last acknowledgement (fsync)", "objects/s", _rates(trips, "acknowledged")
    )
    cpu = Row(
        "processor time, gateway and platform", "ms/object", tuple(t.cpu / t.objects * 1e3 for t in trips)
    )
    memory = peaks(trips)
    return Result(
        name="gateway",
        title="The gateway, sender to platform, one machine",
        text=(
            f"{objects} copies of {piece.name} ({piece.size:,} bytes) by C-STORE on {ASSOCIATIONS} associations; two workers; TLS "
            "with client certificates; every object fsynced before it is acknowledged, encrypted on the platform, and its "
            "original deleted after a receipt. Sender, gateway and platform share the cores."
        ),
        rows=(arrived, acknowledged, cpu, *memory),
        targets=(
            Target("objects a second, sender to platform", 400.0, arrived.median, "objects/s"),
            Target("the largest process", 200.0, max(row.median for row in memory), "MB", most=True),
        ),
    )


def _rates(trips: list[Travel], moment: str) -> tuple[float, ...]:
    return tuple(trip.objects / float(getattr(trip, moment)) for trip in trips)


def peaks(trips: list[Travel]) -> list[Row]:
    """A row for each process: the most memory that it ever had, trip by trip."""
    names = [process.name for process in trips[0].usage]
    table = [[process.peak_rss / 1e6 for process in trip.usage] for trip in trips]
    wide = min(len(row) for row in table)
    return [
        Row(f"peak RSS, {names[column]}", "MB", tuple(row[column] for row in table)) for column in range(wide)
    ]
