"""The sample study is what the demonstration and most tests rest on: whole, repeatable, telling."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from engine.dicom.sample import Shape, identities, study, write

SMALL = Shape(slices=3, size=32)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_patient(tmp_path: Path) -> None:
    once, again, other = (
        write(tmp_path / name, seed, SMALL) for name, seed in [("a", 1), ("b", 1), ("c", 2)]
    )
    assert [p.read_bytes() for p in once] == [p.read_bytes() for p in again]
    assert pydicom.dcmread(once[0]).PatientID != pydicom.dcmread(other[0]).PatientID
    assert pydicom.dcmread(once[0]).StudyInstanceUID != pydicom.dcmread(other[0]).StudyInstanceUID


def test_it_is_one_study_of_two_series_whose_slices_refer_to_the_localizer() -> None:
    localizer, *slices = study(1, SMALL)
    assert len(slices) == SMALL.slices == SMALL.objects - 1
    assert {ds.StudyInstanceUID for ds in slices} == {localizer.StudyInstanceUID}
    assert {ds.SeriesInstanceUID for ds in slices}.isdisjoint({localizer.SeriesInstanceUID})
    assert len({ds.SOPInstanceUID for ds in [localizer, *slices]}) == SMALL.objects
    for ds in slices:
        assert ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID == localizer.SOPInstanceUID


def test_what_was_written_reads_back_without_a_warning(tmp_path: Path) -> None:
    for path in write(tmp_path, 1, SMALL):
        ds = pydicom.dcmread(path)
        assert ds.pixel_array.shape == (SMALL.size, SMALL.size)
        assert len(list(ds.iterall())) > 250
        assert "Änne" in str(ds.PatientName)


def test_it_can_be_written_implicitly(tmp_path: Path) -> None:
    path = write(tmp_path, 1, Shape(1, 32, ImplicitVRLittleEndian))[1]
    ds = pydicom.dcmread(path)
    assert len(list(ds.iterall())) > 250
    assert ds.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert ds.RequestAttributesSequence[0].AccessionNumber == ds.AccessionNumber


def test_identities_are_found_at_every_depth_and_what_is_common_is_not() -> None:
    ds = list(study(1, SMALL))[1]
    found = identities(ds)
    assert {"Mustermann", "Mustermann^Änne^Fiktiva", ds.PatientID, ds.AccessionNumber} <= found
    assert {"OLD-000001", "RP-880001", "19470812", f"ROOM 3 / {ds.PatientID}"} <= found
    assert ds.StudyInstanceUID in found and ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID in found
    assert ds.SOPClassUID not in found and "CT" not in found and "HELICAL MODE" not in found


@pytest.mark.parametrize("shape", [Shape(slices=0), Shape(slices=1, size=8)])
def test_an_impossible_shape_is_said_so(shape: Shape) -> None:
    with pytest.raises(ValueError, match="or more"):
        list(study(1, shape))
