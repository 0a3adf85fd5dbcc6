"""For tests that send a study through real processes: senders that others wrote, and ways to wait and to read back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE

from engine.demo import compare
from engine.demo.reader import Reader
from engine.demo.show import left_in
from engine.demo.stage import CALLED, CALLING, HOST, Stage
from engine.dicom import sample

STORESCU = "/usr/bin/storescu"  # DCMTK's; a virtual environment has pynetdicom's of the same name
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


def by_pynetdicom(stage: Stage, datasets: Sequence[Dataset], called: str = CALLED) -> list[int]:
    """Sends by pynetdicom's SCU, one after the other; the status of each, -1 where the association was lost."""
    ae = AE(ae_title=CALLING)
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    association = ae.associate(HOST, stage.gateway_port, ae_title=called)
    if not association.is_established:
        return [-1] * len(datasets)
    statuses = []
    for ds in datasets:
        answer = association.send_c_store(ds) if association.is_established else Dataset()
        statuses.append(int(answer.Status) if "Status" in answer else -1)
    if association.is_established:
        association.release()
    return statuses


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


def emptied(stage: Stage) -> None:
    """Waits until the spool holds no object and no pass."""
    wait("an empty spool", lambda: not left_in(stage.spool))


def assert_pseudonymized(stage: Stage, sent: Sequence[Path], study_instance_uid: str) -> None:
    """Everything that must hold of a study that was sent and read back."""
    found = compare.pairs(sent, read_back(stage, study_instance_uid))
    hashed_id = stage.secret.hashed_id(patient_id(sent[0]))
    assert [check.what for check in compare.checks(found, len(sent), hashed_id) if not check.holds] == []
