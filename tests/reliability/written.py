"""How many bytes the gateway writes to the disk for each byte that it receives: there is no second copy of the pixels."""

from __future__ import annotations

from pathlib import Path

import pydicom

from engine.demo import stage
from engine.demo.stage import CALLED, CALLING, HOST, Stage
from engine.dicom import sample
from engine.scu.association import Target
from engine.sender.load import Load
from engine.sender.load import run as send
from tests.reliability.book import Measure, Run
from tests.support import travel
from tests.support.killing import processes

MOST = 1.05
ASSOCIATIONS = 2
SHAPE = sample.Shape(slices=1, size=512)


def written(run: Run) -> None:
    """`run.count` clones of a CT slice of half a megabyte."""
    laid = stage.build(run.work / "stage", gateway={"passes": {"quiet_seconds": 2.0}})
    path = sample.write(run.work / "files", run.seed, SHAPE)[1]
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    with stage.running(laid):
        travel.wait("all roles", lambda: all(processes(laid).values()))
        before = _written(laid)
        told = send(Load(Target(HOST, laid.gateway_port, CALLED, CALLING), (path,), ASSOCIATIONS, run.count))
        travel.arrived(laid, str(ds.PatientID), run.count)
        travel.emptied(laid)
        after = _written(laid)
    run.done = int(told["objects"])
    received = int(told["bytes"])
    run.must(run.done == run.count, "not all objects were taken")
    run.must(before.keys() == after.keys(), "a process was replaced: its figure is lost")
    run.figures["received_bytes"] = received
    for name, count in after.items():
        run.figures[f"{name}_written"] = count - before.get(name, 0)
    ratio = (sum(after.values()) - sum(before.values())) / received
    run.figures["written_per_received"] = ratio
    run.must(0.9 < ratio <= MOST, f"{ratio:.3f} bytes are written for each byte received")


def _written(laid: Stage) -> dict[str, int]:
    """Bytes that each process of the gateway made the disk write, by role and pid (proc(5), write_bytes)."""
    found = {}
    for role, pids in processes(laid).items():
        for pid in pids:
            lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
            found[f"{role}_{pid}" if role == "worker" else role] = int(lines["write_bytes"])
    return found


MEASURE = Measure(
    name="written",
    row="—",
    what="bytes written to disk for each byte received",
    goal="≤ 1.05",
    unit="objects",
    full=2000,
    few=600,
    do=written,
    note="""
Objects of 530 kB travel through the gateway; afterwards `write_bytes` of `/proc/PID/io` is added up over supervisor, receiver,
coordinator, workers and uploader: the originals, the plans, the ledger, the marks and keys. The file system's journal is not in
it.
""",
)
