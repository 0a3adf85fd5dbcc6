"""The look at a data set's first bytes, checked with data sets that pydicom wrote."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID

from engine.dicom.transfer_syntaxes import transfer_syntaxes
from engine.receiver.opening import LOOK, sop_uids
from tests.support.receiver import CT, EXPLICIT, IMPLICIT

BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


def written(syntax: str, **values: object) -> bytes:
    """The first bytes of a data set as pydicom writes it, file meta taken off."""
    ds = Dataset()
    ds.SpecificCharacterSet = ["ISO_IR 100", "ISO 2022 IR 87"]
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceCreationDate = "20260101"
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = "1.2.3.4"
    ds.StudyDate = "20260101"
    ds.PatientName = "A^B"
    for name, value in values.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = CT
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    whole = out.getvalue()
    return whole[144 + int.from_bytes(whole[140:144], "little") :]


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_class_and_instance_are_found(syntax: str) -> None:
    assert sop_uids(written(syntax)[:LOOK], syntax) == (CT, "1.2.3.4")


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_what_is_absent_is_unknown(syntax: str) -> None:
    assert sop_uids(written(syntax, SOPInstanceUID=None), syntax) == (CT, None)
    assert sop_uids(written(syntax, SOPClassUID=None), syntax) == (None, "1.2.3.4")


def test_every_encapsulated_syntax_is_read_as_explicit() -> None:
    start = written(EXPLICIT)
    for syntax in transfer_syntaxes().values():
        if syntax.encapsulated and not syntax.deflated:
            assert sop_uids(start, syntax.uid) == (CT, "1.2.3.4")


def test_a_deflated_data_set_tells_nothing() -> None:
    assert sop_uids(written(DEFLATED), DEFLATED) == (None, None)


def test_a_compression_that_is_newer_than_our_tables_is_read_as_explicit() -> None:
    assert sop_uids(written(EXPLICIT), "1.2.840.10008.1.2.8.99") == (CT, "1.2.3.4")


def test_a_sequence_before_them_is_stepped_over_if_its_length_is_defined() -> None:
    code = Dataset()
    code.CodeValue = "de"
    assert sop_uids(written(EXPLICIT, LanguageCodeSequence=[code]), EXPLICIT) == (CT, "1.2.3.4")
    endless = written(IMPLICIT)
    endless = b"\x08\0\x06\0\xff\xff\xff\xff" + endless
    assert sop_uids(endless, IMPLICIT) == (None, None)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN])
def test_at_every_cut_it_tells_the_truth_or_nothing(syntax: str) -> None:
    whole = written(syntax)
    for cut in range(len(whole)):
        sop_class, instance = sop_uids(whole[:cut], syntax)
        assert sop_class in (None, CT)
        assert instance in (None, "1.2.3.4")


@given(st.binary(max_size=200), st.sampled_from([IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED]))
def test_random_bytes_do_no_harm(noise: bytes, syntax: str) -> None:
    sop_uids(noise, syntax)
