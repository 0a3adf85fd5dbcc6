"""What researchers need kept is there after `research`: what a de-identifier destroys is lost as surely as what it leaks is out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.leaks.objects import SYNTAXES, carrier
from tests.leaks.plant import Plant, sequence, text
from tests.support.datasets import Element
from tests.support.rewritten import rewritten

NUMBER = b"\x00\x00\x00\x00\x00\x00\xf0?"

PET = (
    text(0x00101020, "DS", "1.78"),
    text(0x00101030, "DS", "72.5"),
    text(0x00100040, "CS", "F"),
    text(0x00080031, "TM", "142233.5"),
    text(0x00080032, "TM", "142301"),
    text(0x00280051, "CS", "DECY\\ATTN\\SCAT\\DTIM\\RANSNG\\NORM"),
    text(0x00541000, "CS", "WHOLE BODY\\IMAGE"),
    text(0x00541001, "CS", "BQML"),
    text(0x00541002, "CS", "EMISSION"),
    text(0x00541102, "CS", "START"),
    text(0x00541300, "DS", "1200000"),
    text(0x00541321, "DS", "1.12745"),
    text(0x00281052, "DS", "0"),
    text(0x00281053, "DS", "0.738"),
)
GEOMETRY = (
    text(0x00200032, "DS", "-124.5\\-101.2\\55.75"),
    text(0x00200037, "DS", "1\\0\\0\\0\\0.9998\\-0.0174"),
    text(0x00180050, "DS", "1.25"),
    text(0x00180088, "DS", "1.0"),
    text(0x00280030, "DS", "0.488281\\0.488281"),
)
ACQUISITION = (
    text(0x00180060, "DS", "120"),
    text(0x00180080, "DS", "2300"),
    text(0x00180081, "DS", "2.98"),
    text(0x00180082, "DS", "900"),
    text(0x00180087, "DS", "2.89362"),
    text(0x00181151, "IS", "240"),
    text(0x00181152, "IS", "120"),
    text(0x00181210, "SH", "BONEPLUS"),
    text(0x00181314, "DS", "9"),
    Element(0x00189087, "FD", NUMBER),
    Element(0x00189089, "FD", 3 * NUMBER),
    text(0x00080070, "LO", "SIEMENS"),
    text(0x00081090, "LO", "Biograph 64"),
    text(0x00181020, "LO", "syngo MR E11"),
    text(0x00281050, "DS", "40\\-600"),
    text(0x00281051, "DS", "400\\1500"),
    text(0x00281054, "LO", "HU"),
    text(0x00281055, "LO", "WINDOW1\\WINDOW2"),
    text(0x00180015, "CS", "ABDOMEN"),
    text(0x00185100, "CS", "HFS"),
)
DEVICE = (text(0x00181000, "LO", "45152"), text(0x00081010, "SH", "MRC35139"))
KEPT = (*PET, *GEOMETRY, *ACQUISITION, *DEVICE)

PRIVATE = (
    (0x0019, "SIEMENS MR HEADER", 0x0C, "IS", b"1000"),
    (0x0019, "SIEMENS MR HEADER", 0x0D, "CS", b"DIRECTIONAL "),
    (0x0019, "SIEMENS MR HEADER", 0x0E, "FD", 3 * NUMBER),
    (0x0019, "SIEMENS MR HEADER", 0x27, "FD", 6 * NUMBER),
    (0x0043, "GEMS_PARM_01", 0x39, "IS", b"1000\\8\\0\\0"),
    (0x0019, "GEMS_ACQU_01", 0xBB, "DS", b"0.577"),
    (0x0019, "GEMS_ACQU_01", 0xBC, "DS", b"-0.577"),
    (0x0019, "GEMS_ACQU_01", 0xBD, "DS", b"0.333 "),
    (0x2001, "Philips Imaging DD 001", 0x03, "FL", b"\0\0zD"),
    (0x2005, "Philips MR Imaging DD 001", 0x0D, "FL", b"\0\0zD"),
    (0x2005, "Philips MR Imaging DD 001", 0x0E, "FL", b"\0\0zD"),
    (0x7053, "Philips PET Private Group", 0x00, "DS", b"0.000451"),
)

TRACER = (
    text(0x00181072, "TM", "131500"),
    text(0x00181074, "DS", "368000000"),
    text(0x00181075, "DS", "6586.2"),
    text(0x00181076, "DS", "0.97"),
    text(0x00181078, "DT", "20190704131500"),
    sequence(
        0x00540300,
        (
            text(0x00080100, "SH", "C-111A1"),
            text(0x00080102, "SH", "SRT"),
            text(0x00080104, "LO", "^18^Fluorine"),
        ),
    ),
)
DATES = {
    0x00080020: ("DA", "20190704"),
    0x00080021: ("DA", "20190704"),
    0x00080022: ("DA", "20190705"),
    0x0008002A: ("DT", "20190704235959.25"),
    0x00080023: ("DA", "20200229"),
    0x00181200: ("DA", "20190630"),
}

in_every_encoding = pytest.mark.parametrize("encoding", sorted(SYNTAXES))


def _out(elements: Iterable[Element], encoding: str = "explicit", patient: str = "CARRIER-1") -> Dataset:
    """The output of an object with these elements, as pydicom reads it."""
    given = [element for element in elements if element.tag != 0x00100020]
    plant = Plant("kept", "retention", (), (*given, text(0x00100020, "LO", patient)))
    return pydicom.dcmread(BytesIO(rewritten(carrier([plant], encoding), "research")))


def _day(value: str) -> date:
    return datetime.strptime(str(value)[:8], "%Y%m%d").date()  # noqa: DTZ007 (a date has no zone)


@in_every_encoding
def test_what_images_are_measured_by_is_kept_as_it_was(encoding: str) -> None:
    output = _out(KEPT, encoding)
    plant = Plant("kept", "retention", (), KEPT)
    source = pydicom.dcmread(BytesIO(carrier([plant], encoding)))
    for element in KEPT:
        assert output[element.tag].value == source[element.tag].value, output[element.tag].keyword
    assert output.PixelData == source.PixelData


@in_every_encoding
@pytest.mark.parametrize(("group", "creator", "low", "vr", "value"), PRIVATE)
def test_safe_private_numbers_are_kept(
    encoding: str, group: int, creator: str, low: int, vr: str, value: bytes
) -> None:
    block = (
        text(group << 16 | 0x10, "LO", creator),
        Element(group << 16 | 0x1000 | low, vr, value),
        text(group << 16 | 0x10FE, "LO", "unsafe"),
    )
    output = _out(block, encoding)
    source = pydicom.dcmread(BytesIO(carrier([Plant("private", "retention", (), block)], encoding)))
    kept = output.private_block(group, creator)
    assert kept[low].value == source.private_block(group, creator)[low].value
    assert 0xFE not in kept


@in_every_encoding
def test_the_dose_of_a_tracer_stays_usable(encoding: str) -> None:
    """What a standardised uptake value is computed from: dose, half-life, and the time between injection and scan."""
    dates = [text(tag, vr, value) for tag, (vr, value) in DATES.items()]
    output = _out([*dates, *PET, sequence(0x00540016, TRACER)], encoding)
    (item,) = output.RadiopharmaceuticalInformationSequence
    assert item.RadiopharmaceuticalStartTime == "131500"
    assert (item.RadionuclideTotalDose, item.RadionuclideHalfLife) == (368000000, 6586.2)
    assert item.RadionuclidePositronFraction == 0.97
    assert str(item.RadiopharmaceuticalStartDateTime)[8:] == "131500"
    assert _day(item.RadiopharmaceuticalStartDateTime) == _day(output.SeriesDate)
    (code,) = item.RadionuclideCodeSequence
    assert (code.CodeValue, code.CodingSchemeDesignator) == ("C-111A1", "SRT")
    assert code.CodeMeaning


@in_every_encoding
def test_all_dates_of_a_patient_shift_by_the_same_days_and_times_stay(encoding: str) -> None:
    dates = [text(tag, vr, value) for tag, (vr, value) in DATES.items()]
    inner = sequence(0x00540016, (text(0x00181078, "DT", "20191231233000"),))
    output = _out([*dates, inner], encoding)
    shifts = {_day(output[tag].value) - _day(value) for tag, (_, value) in DATES.items()}
    nested = output.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime
    shifts.add(_day(nested) - date(2019, 12, 31))
    (shift,) = shifts
    assert timedelta(days=-3650) <= shift <= timedelta(days=-1)
    assert str(output.AcquisitionDateTime)[8:] == "235959.25"
    assert str(nested)[8:] == "233000"
    assert output.StudyTime == "101500"


def test_each_patient_has_a_shift_of_its_own() -> None:
    study = [text(0x00080020, "DA", "20190704")]
    later = [text(0x00080020, "DA", "20190711")]
    shifts = {number: _day(_out(study, patient=f"P{number}").StudyDate) for number in range(12)}
    assert len(set(shifts.values())) > 9
    assert all(
        _day(_out(later, patient=f"P{number}").StudyDate) - day == timedelta(days=7)
        for number, day in shifts.items()
    )


def test_the_times_of_ge_pet_scanners_shift_along() -> None:
    block = (
        text(0x00090010, "LO", "GEMS_PETD_01"),
        text(0x0009100D, "DT", "20190704142233.00"),
        text(0x0009103B, "DT", "20190704131500.00"),
        Element(0x00091038, "FL", b"\0\0zD"),
        text(0x00080021, "DA", "20190704"),
    )
    output = _out(block)
    kept = output.private_block(0x0009, "GEMS_PETD_01")
    assert _day(kept[0x0D].value) == _day(kept[0x3B].value) == _day(output.SeriesDate)
    assert str(kept[0x0D].value)[8:] == "142233.00"
    assert kept[0x38].value == 1000.0


@in_every_encoding
def test_functional_groups_are_kept_with_their_geometry(encoding: str) -> None:
    frame = (
        sequence(0x00209113, (text(0x00200032, "DS", "1\\2\\3"),)),
        sequence(0x00209116, (text(0x00200037, "DS", "1\\0\\0\\0\\1\\0"),)),
        sequence(
            0x00209111,
            (
                text(0x00189074, "DT", "20190704101501.5"),
                Element(0x00209157, "UL", b"\1\0\0\0\2\0\0\0"),
                text(0x00209158, "LT", "breath hold, Mrs Karolev"),
            ),
        ),
        sequence(0x00189117, (Element(0x00189087, "FD", NUMBER),)),
    )
    shared = (sequence(0x00289110, (text(0x00280030, "DS", "0.5\\0.5"), text(0x00180050, "DS", "3"))),)
    output = _out([sequence(0x52009229, shared), sequence(0x52009230, frame, frame)], encoding)
    assert len(output.PerFrameFunctionalGroupsSequence) == 2
    group = output.PerFrameFunctionalGroupsSequence[1]
    assert group.PlanePositionSequence[0].ImagePositionPatient == [1, 2, 3]
    assert group.PlaneOrientationSequence[0].ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
    assert list(group.FrameContentSequence[0].DimensionIndexValues) == [1, 2]
    assert str(group.FrameContentSequence[0].FrameAcquisitionDateTime)[8:] == "101501.5"
    assert "Karolev" not in group.FrameContentSequence[0].FrameComments
    assert group.MRDiffusionSequence[0].DiffusionBValue == 1.0
    measures = output.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (measures.PixelSpacing, measures.SliceThickness) == ([0.5, 0.5], 3)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("t1_mprage_sag_p2_iso", "t1_mprage_sag_p2_iso"),
        ("diff b1000 TRACEW", "diff b1000 TRACEW"),
        ("CT THORAX 1.5 mm B60f", "CT THORAX 1.5 mm B60f"),
        ("AX T2 FLAIR", "AX T2 FLAIR"),
        ("Abdomen Brzezinska 12.03.1956", "Abdomen"),
        ("Abdomen, Frau Hand", "Abdomen"),
        ("CT THORAX W/O CONTRAST", "CT THORAX W/O CONTRAST"),
        ("MR-Brain w/o Contrast", "MR-Brain w/o Contrast"),
    ],
)
def test_descriptions_keep_the_words_of_imaging(before: str, after: str) -> None:
    output = _out([text(0x0008103E, "LO", before), text(0x00081030, "LO", before)])
    assert output.SeriesDescription == after
    assert output.StudyDescription == after


AGES = {"054Y": "054Y", "089Y": "089Y", "090Y": "090Y", "103Y": "090Y", "006M": "006M"}


@pytest.mark.parametrize(("before", "after"), AGES.items())
def test_ages_are_kept_up_to_ninety(before: str, after: str) -> None:
    assert _out([text(0x00101010, "AS", before)]).PatientAge == after


def test_references_lead_to_the_new_uids_and_classes_stay() -> None:
    frame_of_reference = "1.2.826.0.1.3680043.10.1471.77"
    reference = (
        text(0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2"),
        text(0x00081155, "UI", "1.2.826.0.1.3680043.10.1471.1.1"),
    )
    output = _out([text(0x00200052, "UI", frame_of_reference), sequence(0x00082112, reference)])
    (source,) = output.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == output.SOPInstanceUID
    assert source.ReferencedSOPClassUID == output.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert output.FrameOfReferenceUID.startswith("2.25.")
