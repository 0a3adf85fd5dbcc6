"""The demonstration: a sample study goes from C-STORE to the platform, and everything about it is looked at."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pydicom

from engine.demo import compare, stage
from engine.demo.commands import hashed_id as hashed_by_gateway
from engine.demo.look_up import CALCULATOR, calculate
from engine.demo.process import PartError
from engine.demo.reader import Reader
from engine.demo.stage import CALLED, CALLING, HOST, INSTITUTION, Stage
from engine.dicom import sample
from engine.scu.association import Target
from engine.sender.load import Load
from engine.sender.load import run as send

ARRIVE_SECONDS = 60.0
DRAIN_SECONDS = 30.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Story:
    """What happened. Times in seconds, from the first byte sent; sizes in bytes."""

    objects: int
    size: int
    lines: list[compare.Line]
    checks: list[compare.Check]
    hashed_id: str
    study_instance_uid: str
    listing: str
    calculator: str
    stored: int
    spool_left: int
    acknowledged: float
    arrived: float

    @property
    def good(self) -> bool:
        return all(check.holds for check in self.checks)

    def describe(self) -> dict[str, object]:
        """The story as a JSON object."""
        return {
            "good": self.good,
            "study": {"objects": self.objects, "bytes": self.size},
            "attributes": [asdict(line) for line in self.lines],
            "checks": [asdict(check) for check in self.checks],
            "platform": {
                "hashed_id": self.hashed_id,
                "study_instance_uid": self.study_instance_uid,
                "objects": self.stored,
                "listing": self.listing,
                "calculator": self.calculator,
            },
            "spool": {"files_left": self.spool_left},
            "seconds": {"acknowledged": round(self.acknowledged, 3), "on_platform": round(self.arrived, 3)},
            "rates": {
                "objects_per_second": round(self.objects / self.arrived, 1),
                "megabytes_per_second": round(self.size / self.arrived / 1e6, 1),
            },
        }


def play(folder: Path, shape: sample.Shape, tell: Tell) -> Story:
    """Runs it in `folder` and tells each step; PartError names the part that failed."""
    paths = sample.write(folder / "sample", shape=shape)
    size = sum(path.stat().st_size for path in paths)
    tell(f"made a study of {len(paths)} CT images, {size / 1e6:.0f} MB, of a patient who does not exist")
    scene = stage.build(folder / "stage", enrolled=True)
    with stage.running(scene):
        tell("gateway enrolled by a token; its hash secret is in memory only")
        tell(f"platform listens on {HOST}:{scene.platform_port}, gateway on {HOST}:{scene.gateway_port}")
        story = _watch(scene, paths, size, tell)
        if code := scene.gateway.stop():
            raise PartError("gateway", f"ended with exit code {code}", scene.gateway.tail())
        if code := scene.platform.stop():
            raise PartError("platform", f"ended with exit code {code}", scene.platform.tail())
    tell("both ended in order")
    return story


def _watch(scene: Stage, paths: list[Path], size: int, tell: Tell) -> Story:
    patient_id = str(pydicom.dcmread(paths[0], stop_before_pixels=True).PatientID)
    hashed_id = hashed_by_gateway(scene.folder, patient_id)
    began = time.monotonic()
    _send(scene, paths)
    acknowledged = time.monotonic() - began
    tell(f"sent by C-STORE; the gateway acknowledged all of it after {acknowledged:.2f} s")
    with Reader(scene.platform_url, scene.certificates) as reader:
        study = _arrival(scene, reader, hashed_id, len(paths))
        arrived = time.monotonic() - began
        tell(f"on the platform, encrypted, after {arrived:.2f} s")
        uid = str(study["study_instance_uid"])
        instances = reader.instances(uid)
        found = compare.pairs(paths, (reader.object(uid, str(i["sop_instance_uid"])) for i in instances))
    tell("read back from the platform and compared")
    left = _emptied(scene)
    tell("pass sealed: its key is destroyed, and no UID can be traced back")
    checks = compare.checks(found, len(paths), hashed_id)
    checks.append(compare.Check("the spool is empty again", left == 0))
    page = calculate(scene.folder, scene.web_url, scene.certificates.ca, INSTITUTION, patient_id)
    agrees = hashed_id.encode("ascii") in page and uid.encode("ascii") in page
    checks.append(compare.Check("the calculator gives the same hashed ID, and finds the study", agrees))
    tell("looked up in the Patient Hash Calculator")
    return Story(
        objects=len(paths),
        size=size,
        lines=compare.side_by_side(found[-1]),
        checks=checks,
        hashed_id=hashed_id,
        study_instance_uid=uid,
        listing=f"/penstock/v1/studies?hashed_id={hashed_id}",
        calculator=scene.web_url + CALCULATOR,
        stored=len(instances),
        spool_left=left,
        acknowledged=acknowledged,
        arrived=arrived,
    )


def _send(scene: Stage, paths: list[Path]) -> None:
    told = send(Load(Target(HOST, scene.gateway_port, CALLED, CALLING), tuple(paths)))
    refused = told["refused"]
    if refused:
        raise PartError(
            "gateway", f"did not take {len(refused)} objects: {refused[0]['reason']}", scene.gateway.tail()
        )


def _arrival(scene: Stage, reader: Reader, hashed_id: str, objects: int) -> dict[str, object]:
    """The platform's listing of the study, once it is whole."""
    found: list[dict[str, object]] = []

    def whole() -> bool:
        found[:] = reader.studies(hashed_id)
        return sum(int(str(study["objects"])) for study in found) >= objects

    scene.gateway.wait_until(whole, f"delivered to the platform ({objects} objects)", ARRIVE_SECONDS)
    return found[0]


def _emptied(scene: Stage) -> int:
    """How many files of objects and passes the spool holds once it should hold none."""

    def gone() -> bool:
        return not left_in(scene.spool)

    scene.gateway.wait_until(gone, "done with its spool", DRAIN_SECONDS)
    return len(left_in(scene.spool))


def left_in(spool: Path) -> list[Path]:
    """Every file of an object or a pass in a spool: originals, heads, keys, quarantine.

    Folders that vanish meanwhile, as those of sealed passes do, hold none.
    """
    states = ("incoming", "received", "open", "quarantine")
    return [
        Path(folder, name)
        for state in states
        for folder, _, names in os.walk(spool / state)
        for name in names
    ]
