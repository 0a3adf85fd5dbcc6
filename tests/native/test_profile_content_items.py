"""Structured reports: each row of PS3.15 Table E.3.4-1 as a content item, driven through the native rewriter."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from engine.profile import compile_profile
from engine.profile.loader import loads
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import write_plan
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.support.complaints import dcmdump, have_dcmdump

ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"
SYNTAXES = {"implicit": "1.2.840.10008.1.2", "explicit": "1.2.840.10008.1.2.1"}
OPTIONS = ("", "uids", "device-identity", "institution-identity", "patient-characteristics", "full-dates", "modified-dates",
           "clean-descriptors")  # fmt: skip


def _rows() -> list[Any]:
    return list(json.loads((files("engine.profile") / "data" / "content_items.json").read_text())["rows"])


ROWS = _rows()


def _code(scheme: str, value: str) -> list[Dataset]:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, "Finding"
    return [code]


def _item(number: int, scheme: str, value: str, kind: str) -> Dataset:
    """A content item whose value nobody else has."""
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", kind
    item.ConceptNameCodeSequence = _code(scheme, value)
    mark = f"QQ{number:04d}"
    if kind == "TEXT":
        item.TextValue = f"CT {mark}"
    elif kind == "PNAME":
        item.PersonName = f"{mark}^Jane"
    elif kind == "DATE":
        item.Date = "20190317"
    elif kind == "TIME":
        item.Time = "101112"
    elif kind == "DATETIME":
        item.DateTime = "20190317101112"
    elif kind == "UIDREF":
        item.UID = f"1.2.888.{number}"
    elif kind == "CODE":
        item.ConceptCodeSequence = _code("SCT", "248152002")
    elif kind == "NUM":
        measured = Dataset()
        measured.NumericValue = "42"
        measured.MeasurementUnitsCodeSequence = _code("UCUM", "a")
        item.MeasuredValueSequence = [measured]
    elif kind == "CONTAINER":
        inner = Dataset()
        inner.RelationshipType, inner.ValueType, inner.TextValue = "CONTAINS", "TEXT", f"CT {mark}"
        inner.ConceptNameCodeSequence = _code("DCM", "999998")
        item.ContinuityOfContent, item.ContentSequence = "SEPARATE", [inner]
    else:
        reference = Dataset()
        reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        reference.ReferencedSOPInstanceUID = f"1.2.888.{number}"
        item.ReferencedSOPSequence = [reference]
    return item


def _report(syntax: str) -> Dataset:
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID = ENHANCED_SR, "1.2.888.77777"
    report.StudyInstanceUID, report.SeriesInstanceUID = "1.2.888.77778", "1.2.888.77779"
    report.PatientID, report.PatientName, report.Modality = "P-4711", "Roe^Jane", "SR"
    report.ValueType, report.ContinuityOfContent = "CONTAINER", "SEPARATE"
    report.ConceptNameCodeSequence = _code("DCM", "126000")
    report.ContentSequence = [
        _item(n, scheme, value, kind) for n, (scheme, value, kind, _, _) in enumerate(ROWS)
    ]
    report.ContentSequence.append(_item(9001, "DCM", "999998", "TEXT"))
    report.ContentSequence.append(_item(9002, "99LOCAL", "X1", "TEXT"))
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = syntax
    return report


@cache
def _cleaned(option: str, encoding: str) -> tuple[dict[tuple[str, str, str], Dataset], bytes]:
    """The items that are left, by (scheme, code, value type), and all bytes of the output."""
    options = ["clean-structured-content", *([option] if option else [])]
    profile = loads(
        f'profile = "sr"\nbase = "ps3.15@2026c/basic"\noptions = {json.dumps(options)}', "sr.toml"
    )
    with TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.dcm", Path(folder) / "after.dcm"
        _report(SYNTAXES[encoding]).save_as(before, enforce_file_format=True)
        worker = Pseudonymizer(compile_profile(profile), HashSecret(bytes(range(32))))
        source, target = os.open(before, os.O_RDONLY), os.open(after, os.O_RDWR | os.O_CREAT)
        write_plan(worker.plan(source, os.fstat(source).st_size, bytes(32)), source, target)
        os.close(source)
        os.close(target)
        if have_dcmdump():
            assert dcmdump([after]) == {after: frozenset()}
        left = pydicom.dcmread(after)
        return dict(_named(left.ContentSequence)), after.read_bytes()


def _named(items: Any) -> Iterator[tuple[tuple[str, str, str], Dataset]]:
    for item in items:
        name = item.ConceptNameCodeSequence[0]
        yield (name.CodingSchemeDesignator, name.CodeValue, item.ValueType), item


def _strictest(scheme: str, value: str, option: str) -> set[str]:
    """The codes that the rows of one concept have under an option."""
    return {options.get(option, code) for s, v, _, code, options in ROWS if (s, v) == (scheme, value)}


@pytest.mark.parametrize("encoding", SYNTAXES)
@pytest.mark.parametrize("option", OPTIONS)
def test_each_content_item_is_treated_as_the_table_says(option: str, encoding: str) -> None:
    left, content = _cleaned(option, encoding)
    for number, (scheme, value, kind, code, options) in enumerate(ROWS):
        its = options.get(option, code)
        item = left.get((scheme, value, kind))
        if its == "X":
            assert item is None, (scheme, value, kind)
            assert f"QQ{number:04d}".encode() not in content
            assert f"1.2.888.{number}\0".encode() not in content
        elif "X" in _strictest(scheme, value, option):
            assert item is None, (scheme, value, kind)
        else:
            _check(number, its, kind, item, content, scrubbed=not options.get(option) and kind == "TEXT")


def _check(
    number: int, code: str, kind: str, item: Dataset | None, content: bytes, *, scrubbed: bool
) -> None:
    mark = f"QQ{number:04d}"
    if item is None:
        # Scrubbed: the item is there, but its name has become a dummy too.
        assert scrubbed
        assert mark.encode() not in content
        return
    if kind in ("TEXT", "UIDREF") and code == "K":
        return  # the test below
    if kind == "TEXT":
        assert item.TextValue
        assert mark not in item.TextValue
        assert item.TextValue.startswith("CT") or code.endswith("D")
    elif kind == "PNAME":
        assert mark not in str(item.PersonName)
    elif kind in ("DATE", "DATETIME"):
        assert (
            str(item[kind.replace("DATETIME", "DateTime").replace("DATE", "Date")].value)[:8] == "20190317"
        ) is (code == "K")
    elif kind == "UIDREF":
        assert re.fullmatch(r"2\.25\.\d+", item.UID)
    elif kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        uid = item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        assert (uid == f"1.2.888.{number}") is (code == "K")
        assert code == "K" or re.fullmatch(r"2\.25\.\d+", uid)


@pytest.mark.parametrize(
    ("option", "kind"), [("uids", "UIDREF"), ("device-identity", "TEXT"), ("institution-identity", "TEXT")]
)
def test_a_concept_that_an_option_keeps_keeps_its_value(option: str, kind: str) -> None:
    left, _ = _cleaned(option, "explicit")
    kept = [(n, row) for n, row in enumerate(ROWS) if row[2] == kind and row[4].get(option) == "K"]
    assert len(kept) > 3
    for number, (scheme, value, _, _, _) in kept:
        item = left[scheme, value, kind]
        assert str(item.UID if kind == "UIDREF" else item.TextValue) in (
            f"1.2.888.{number}",
            f"CT QQ{number:04d}",
        )


@pytest.mark.parametrize("encoding", SYNTAXES)
def test_free_text_that_no_row_names_is_cleaned(encoding: str) -> None:
    left, content = _cleaned("", encoding)
    assert left["DCM", "999998", "TEXT"].TextValue == "CT"
    assert b"QQ900" not in content


@pytest.mark.parametrize("encoding", SYNTAXES)
def test_without_the_option_nothing_of_a_report_is_left(encoding: str) -> None:
    profile = loads('profile = "sr"\nbase = "ps3.15@2026c/basic"', "sr.toml")
    with TemporaryDirectory() as folder:
        before = Path(folder) / "before.dcm"
        _report(SYNTAXES[encoding]).save_as(before, enforce_file_format=True)
        worker = Pseudonymizer(compile_profile(profile), HashSecret(bytes(range(32))))
        source = os.open(before, os.O_RDONLY)
        head = worker.plan(source, os.fstat(source).st_size, bytes(32)).head
        os.close(source)
    assert b"QQ0" not in head
    assert b"1.2.888." not in head
    assert b"20190317" not in head
