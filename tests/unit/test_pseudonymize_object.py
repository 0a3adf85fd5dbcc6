"""One object from its file to the output that is written: what a plan promises, and what is refused instead."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest

from engine.errors import PenstockError, Refusal
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import ObjectPlan, write_plan
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.support.datasets import (
    EXPLICIT,
    SYNTAXES,
    Element,
    Syntax,
    encode,
    header,
    nested,
    part10,
    read_file,
)
from tests.support.rewriting import new_uid

SECRET = HashSecret(bytes(range(32)))
KEY = b"k" * 32
CT = b"1.2.840.10008.5.1.4.1.1.2"
PIXELS = bytes(range(256))
NAMES = (b"Smith", b"4711-X", b"1.2.99.", b"19700203", b"London")

every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)


@cache
def pseudonymizer(profile: str = "default") -> Pseudonymizer:
    return Pseudonymizer(compiled(profile), SECRET)


@contextmanager
def holding(data: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("object")
    try:
        os.write(descriptor, data)
        yield descriptor
    finally:
        os.close(descriptor)


def planned(data: bytes, profile: str = "default", key: bytes = KEY) -> tuple[ObjectPlan, bytes]:
    """The plan and the output."""
    with holding(data) as source, holding(b"") as target:
        plan = pseudonymizer(profile).plan(source, len(data), key)
        write_plan(plan, source, target)
        written = os.pread(target, 1 << 24, 0)
    assert len(written) == plan.size
    return plan, written


def image(*more: Element, without: tuple[int, ...] = ()) -> list[Element]:
    """A head full of identities."""
    person = [Element(0x00100010, "PN", b"Smith^John"), Element(0x00100020, "LO", b"4711-X")]
    elements = [
        Element(0x00080005, "CS", b"ISO_IR 100"),
        Element(0x00080008, "CS", b"ORIGINAL\\PRIMARY "),
        Element(0x00080016, "UI", CT + b"\0"),
        Element(0x00080018, "UI", b"1.2.99.3"),
        Element(0x00080050, "SH", b"ACC-1 "),
        Element(0x00080060, "CS", b"CT"),
        Element(0x00081110, "SQ", [[Element(0x00081155, "UI", b"1.2.99.1"), *person]], defined=False),
        Element(0x00081140, "SQ", [[nested(3, person)]]),
        *person,
        Element(0x00100030, "DA", b"19700203"),
        Element(0x00101040, "LO", b"London"),
        Element(0x0020000D, "UI", b"1.2.99.1"),
        Element(0x0020000E, "UI", b"1.2.99.2"),
        Element(0x00280010, "US", b"\x10\0"),
        *more,
    ]
    return sorted((e for e in elements if e.tag not in without), key=lambda e: e.tag)


def ct(syntax: Syntax = EXPLICIT, *more: Element, without: tuple[int, ...] = (), **meta: object) -> bytes:
    body = encode([Element(0x7FE00010, "OB", PIXELS)], syntax)
    data = encode(image(*more, without=without), syntax) + (b"" if 0x7FE00010 in without else body)
    given: dict[str, object] = {
        "sop_class": CT,
        "sop_instance": b"1.2.99.3",
        "preamble": b"Smith" * 25 + b"123",
    }
    return part10(data, syntax.uid, **(given | meta))  # type: ignore[arg-type]


def refusal(data: bytes) -> Refusal:
    with pytest.raises(PenstockError) as caught:
        planned(data)
    assert isinstance(caught.value, Refusal)
    return caught.value


@every_syntax
def test_an_output_is_what_its_plan_says_and_holds_no_identity(syntax: Syntax) -> None:
    plan, written = planned(ct(syntax))
    found = read_file(written)
    assert written[:132] == bytes(128) + b"DICM"
    assert not [name for name in NAMES if name in written]
    assert found.PatientID == found.PatientName == plan.hashed_id == SECRET.hashed_id("4711-X")
    assert (found.AccessionNumber, found.StudyID) == (SECRET.accession("ACC-1"), SECRET.study_id("1.2.99.1"))
    uids = {
        name: new_uid(old, KEY).decode() for name, old in (("study", b"1.2.99.1"), ("series", b"1.2.99.2"))
    }
    assert (found.StudyInstanceUID, found.SeriesInstanceUID) == (uids["study"], uids["series"])
    assert (plan.study_instance_uid, plan.series_instance_uid) == (uids["study"], uids["series"])
    assert found.SOPInstanceUID == found.file_meta.MediaStorageSOPInstanceUID == plan.sop_instance_uid
    assert plan.sop_instance_uid == new_uid(b"1.2.99.3", KEY).decode()
    assert found.file_meta.TransferSyntaxUID == plan.transfer_syntax == syntax.uid
    assert found.PatientIdentityRemoved == "YES"
    assert written.endswith(PIXELS)
    assert (plan.body_tag, len(plan.spans), plan.pixels) == (0x7FE00010, 1, "kept")


def test_a_plan_is_a_function_of_object_profile_and_keys() -> None:
    first = planned(ct())
    planned(ct(EXPLICIT, Element(0x00204000, "LT", b"x" * 60_000)))
    assert planned(ct()) == first, "whatever object came between"
    assert planned(ct(), key=b"j" * 32)[0].study_instance_uid != first[0].study_instance_uid
    assert planned(ct(), key=b"j" * 32)[0].hashed_id == first[0].hashed_id


def test_a_deflated_object_is_rewritten_and_deflated_again() -> None:
    plain = encode(image(), EXPLICIT) + encode([Element(0x7FE00010, "OW", PIXELS)], EXPLICIT)
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = engine.compress(plain) + engine.flush()
    plan, written = planned(part10(stream, "1.2.840.10008.1.2.1.99", sop_class=CT))
    found = read_file(written)
    assert (found.PatientID, found.PixelData) == (plan.hashed_id, PIXELS)
    assert plan.spans == ()


@pytest.mark.parametrize("ended", [True, False])
def test_encapsulated_pixels_are_kept_and_closed(ended: bool) -> None:
    body = encode([Element(0x7FE00010, "OB", fragments=(b"", b"RLE frame "))], EXPLICIT)
    data = encode(image(), EXPLICIT) + (body if ended else body[:-8])
    plan, written = planned(part10(data, "1.2.840.10008.1.2.5", sop_class=CT))
    assert written.endswith(body)
    assert plan.transfer_syntax == "1.2.840.10008.1.2.5"


def test_what_follows_the_pixels_is_rewritten_too() -> None:
    behind = encode([Element(0x7FE10010, "LO", b"Smith "), Element(0xFFFCFFFC, "OB", b"Smith ")], EXPLICIT)
    _, written = planned(ct() + behind)
    assert written.endswith(PIXELS)
    assert planned(ct() + bytes(500))[1] == planned(ct())[1], "zeros that fill a block"


def test_an_object_without_pixels_is_all_head() -> None:
    plan, written = planned(ct(without=(0x7FE00010,)))
    assert (plan.spans, plan.tail, plan.body_tag, plan.pixels) == ((), b"", None, "none")
    assert plan.head == written


def test_an_object_without_a_sop_instance_gets_one_of_its_content() -> None:
    data = ct(without=(0x00080018,), sop_instance=b"")
    first, other = planned(data)[0], planned(data.replace(PIXELS, PIXELS[::-1]))[0]
    assert planned(data)[0].sop_instance_uid == first.sop_instance_uid != other.sop_instance_uid
    assert read_file(planned(data)[1]).SOPInstanceUID == first.sop_instance_uid


def test_patients_without_an_id_are_told_apart_by_their_study() -> None:
    nobody = ct(EXPLICIT, without=(0x00100020,))
    assert planned(nobody)[0].hashed_id == SECRET.hashed_study("1.2.99.1")
    assert read_file(planned(nobody)[1]).PatientID == SECRET.hashed_study("1.2.99.1")


def test_a_survey_tells_the_original_uids() -> None:
    data = ct()
    with holding(data) as fd:
        survey = pseudonymizer().survey(fd, len(data))
    assert (survey.sop_class_uid, survey.transfer_syntax) == (CT.decode(), EXPLICIT.uid)
    assert survey.sop_instance_uid == "1.2.99.3"
    assert (survey.study_instance_uid, survey.series_instance_uid) == ("1.2.99.1", "1.2.99.2")


REFUSED = {
    "an empty file": (b"", "empty"),
    "no DICOM": (b"GIF89a" * 100, "not-dicom"),
    "an unknown transfer syntax": (part10(encode(image(), EXPLICIT), "1.2.3"), "unknown-transfer-syntax"),
    "a DICOMDIR": (part10(b"", EXPLICIT.uid, sop_class=b"1.2.840.10008.1.3.10"), "dicomdir"),
    "a SOP class that is none": (part10(b"", EXPLICIT.uid, sop_class=b"Smith^John"), "bad-sop-class"),
    "a SOP class of 70,000 bytes": (
        part10(encode([Element(0x00080016, "UT", b"1" * 70_000)], EXPLICIT), EXPLICIT.uid),
        "bad-sop-class",
    ),
    "two SOP classes": (ct(sop_class=b"1.2.840.10008.5.1.4.1.1.4"), "sop-class-mismatch"),
    "half the pixels": (ct()[:-100], "truncated"),
    "an ID that its character set cannot hold": (
        ct(
            EXPLICIT,
            Element(0x00080005, "CS", b"ISO_IR 192"),
            Element(0x00100020, "LO", b"M\xfcller"),
            without=(),
        ),
        "undecodable-text",
    ),
    "a deflated data set that is none": (part10(b"\xff" * 50, "1.2.840.10008.1.2.1.99"), "bad-deflate"),
    "sequences without end": (
        part10(
            (header(0x00081140, "SQ", 0xFFFFFFFF, EXPLICIT) + b"\xfe\xff\0\xe0\xff\xff\xff\xff") * 999,
            EXPLICIT.uid,
        ),
        "too-deep",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_treated_with_certainty_is_refused(what: str) -> None:
    data, code = REFUSED[what]
    problem = refusal(data)
    assert problem.code == code
    assert "Smith" not in str(problem)


@every_syntax
def test_cut_at_any_byte_an_object_is_refused_or_holds_no_identity(syntax: Syntax) -> None:
    data = ct(syntax)
    for cut in range(0, len(data), 3):
        try:
            _, written = planned(data[:cut])
        except Refusal as problem:
            told = problem.describe()
        else:
            told = {"code": "", "found": [name for name in NAMES if name in written]}
        assert told.get("found", []) == []
        assert "Smith" not in str(told)


@every_syntax
def test_uids_that_a_profile_keeps_are_what_plan_and_file_meta_say(syntax: Syntax) -> None:
    plan, written = planned(ct(syntax), "keep-all")
    found = read_file(written)
    assert plan.study_instance_uid == found.StudyInstanceUID == "1.2.99.1"
    assert plan.series_instance_uid == found.SeriesInstanceUID == "1.2.99.2"
    assert plan.sop_instance_uid == found.SOPInstanceUID == "1.2.99.3"
    assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID


def test_an_object_without_an_instance_uid_gets_one_even_where_uids_are_kept() -> None:
    plan, written = planned(ct(without=(0x00080018,), sop_instance=b""), "keep-all")
    assert plan.sop_instance_uid.startswith("2.25.")
    assert read_file(written).file_meta.MediaStorageSOPInstanceUID == plan.sop_instance_uid
