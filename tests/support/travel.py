"""For tests that send a study through real processes: senders that others wrote, and ways to wait and to read back."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom

from engine.demo import compare
from engine.demo.reader import Reader
from engine.demo.show import left_in
from engine.demo.stage import CALLED, CALLING, HOST, Stage
from engine.dicom import sample

STORESCU = "/usr/bin/storescu"  # DCMTK's; a virtual environment has pynetdicom's of the same name
SCU = Path(__file__).with_name("scu.py")
SMALL = sample.Shape(slices=5, size=96)
PATIENCE = 60.0


def study(folder: Path, seed: int, shape: sample.Shape = SMALL) -> list[Path]:
    """The files of a small sample study; every seed is another patient."""
    return sample.write(folder / f"study-{seed}", seed, shape)


def patient_id(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).PatientID)


def by_dcmtk(stage: Stage, paths: Sequence[Path], *options: str) -> str:
    """Sends by DCMTK's storescu, which must succeed; what it said."""
    command = [STORESCU, "-v", "-aet", CALLING, "-aec", CALLED, *options, HOST, str(stage.gateway_port)]
    told = subprocess.run(
        [*command, *map(str, paths)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert told.returncode == 0, told.stderr
    return told.stdout + told.stderr


def by_pynetdicom(
    stage: Stage,
    paths: Sequence[Path],
    called: str = CALLED,
    *,
    when: int = 0,
    then: Callable[[], None] | None = None,
) -> list[int]:
    """Sends by pynetdicom's SCU, one after the other; the status of each, -1 where the association was lost.

    `then` is called once, as soon as `when` objects have their answers.
    """
    command = [sys.executable, str(SCU), HOST, str(stage.gateway_port), called, CALLING, *map(str, paths)]
    found: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as scu:
        assert scu.stdout is not None
        for line in scu.stdout:
            found.append(int(line))
            if then is not None and len(found) == when:
                then()
    assert scu.returncode == 0
    return found


def wait(what: str, ready: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Returns when `ready()`; the test fails when it never is."""
    until = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < until, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)


def arrived(stage: Stage, patient: str, objects: int, studies: int = 1) -> list[str]:
    """The Study Instance UIDs that the platform has for a Patient ID, once it has so many objects in so many studies."""
    hashed_id = stage.secret.hashed_id(patient)
    found: list[str] = []
    with Reader(stage.platform_url, stage.certificates) as reader:

        def whole() -> bool:
            listed = reader.studies(hashed_id)
            found[:] = [str(study["study_instance_uid"]) for study in listed]
            return len(found) >= studies and sum(int(study["objects"]) for study in listed) >= objects

        wait(f"{objects} objects in {studies} studies on the platform", whole)
    return found


def read_back(stage: Stage, study_instance_uid: str) -> list[bytes]:
    """All objects of one study, as the platform gives them."""
    with Reader(stage.platform_url, stage.certificates) as reader:
        listed = reader.instances(study_instance_uid)
        return [reader.object(study_instance_uid, str(entry["sop_instance_uid"])) for entry in listed]


def content(path: Path) -> bytes:
    """What is in a file of a gateway that runs; nothing where it was one for a moment."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def planned(stage: Stage, objects: int) -> None:
    """Waits until so many objects lie rewritten in their passes: nothing moves them now but an upload."""
    wait(f"{objects} plans", lambda: len(list(stage.spool.glob("open/*/out/*.plan"))) == objects)


def emptied(stage: Stage) -> None:
    """Waits until the spool holds no object and no pass."""
    wait("an empty spool", lambda: not left_in(stage.spool))


def assert_pseudonymized(stage: Stage, sent: Sequence[Path], study_instance_uid: str) -> None:
    """Everything that must hold of a study that was sent and read back."""
    found = compare.pairs(sent, read_back(stage, study_instance_uid))
    hashed_id = stage.secret.hashed_id(patient_id(sent[0]))
    assert [check.what for check in compare.checks(found, len(sent), hashed_id) if not check.holds] == []
