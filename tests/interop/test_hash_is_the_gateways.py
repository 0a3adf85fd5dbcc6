"""What `penstock hash` prints stands in the objects that the rewriter makes, whatever the Patient ID's
character set.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import write_plan
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.support.cli import penstock

STUDY = "1.2.840.113619.2.1.1.1"
PATIENTS = [
    ("12345678", []),
    ("Zoë-7", ["ISO_IR 100"]),
    ("Zoë-7", ["ISO_IR 192"]),
    ("Zoe\u0308-7", ["ISO_IR 192"]),
    ("山田-42", ["", "ISO 2022 IR 87"]),
    ("ﾔﾏﾀﾞ", ["ISO_IR 13"]),
    ("김희중 7", ["", "ISO 2022 IR 149"]),
    ("张三-9", ["GB18030"]),
    ("Люк", ["ISO_IR 144"]),
]


@pytest.fixture
def secret(tmp_path: Path) -> HashSecret:
    tmp_path.chmod(0o700)
    made = HashSecret.generate()
    made.write(tmp_path / "hash-secret")
    return made


def rewritten(folder: Path, secret: HashSecret, patient_id: str, charset: list[str]) -> Dataset:
    """The object that the default profile makes of a small CT image of this patient."""
    ds = Dataset()
    if charset:
        ds.SpecificCharacterSet = charset
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, "1.2.3.4.5"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, "1.2.3.4.6"
    ds.PatientID, ds.PatientName = patient_id, "Doe^Jane"
    ds.AccessionNumber, ds.StudyID, ds.Modality = "A-1", "S1", "CT"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = (
        CTImageStorage,
        "1.2.3.4.5",
    )
    source, target = folder / "source.dcm", folder / "target.dcm"
    ds.save_as(source, enforce_file_format=True)
    with source.open("rb") as read, target.open("wb") as write:
        pseudonymizer = Pseudonymizer(compiled("default"), secret)
        plan = pseudonymizer.plan(read.fileno(), os.fstat(read.fileno()).st_size, bytes(32))
        write_plan(plan, read.fileno(), write.fileno())
    return dcmread(BytesIO(target.read_bytes()))


@pytest.mark.parametrize(
    ("patient_id", "charset"), PATIENTS, ids=lambda v: "-".join(v) if isinstance(v, list) else ""
)
def test_the_calculator_finds_the_patient_again(
    tmp_path: Path, secret: HashSecret, patient_id: str, charset: list[str]
) -> None:
    made = rewritten(tmp_path, secret, patient_id, charset)
    ran = penstock(
        "hash", "--stdin", "--secret-file", str(tmp_path / "hash-secret"), stdin=f"{patient_id}\n".encode()
    )
    assert ran.code == 0
    assert [made.PatientID] == ran.out.split() == [secret.hashed_id(patient_id)]
    assert str(made.PatientName) == made.PatientID


def test_accession_and_study_link_back_too(tmp_path: Path, secret: HashSecret) -> None:
    made = rewritten(tmp_path, secret, "12345678", [])
    assert made.AccessionNumber == secret.accession("A-1")
    assert made.StudyID == secret.study_id(STUDY)


def test_a_patient_without_an_id_is_known_by_the_study_alone(tmp_path: Path, secret: HashSecret) -> None:
    for empty in ("", "  "):
        assert rewritten(tmp_path, secret, empty, []).PatientID == secret.hashed_study(STUDY)
