"""The standard's tables: complete, fresh, and read the way they were written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import DicomDictionary

from engine.dicom import dictionary
from engine.dicom.status_codes import Status
from engine.dicom.transfer_syntaxes import transfer_syntaxes
from engine.dicom.uid_roles import structural_tags
from engine.profile import tables

ROOT = Path(__file__).resolve().parents[2]
STANDARD = ROOT.parent / "shared" / "standard"


def _made_with() -> str:
    return str(json.loads((ROOT / "engine/dicom/dictionary.json").read_text())["pydicom"])


def test_the_committed_tables_are_what_the_generator_writes() -> None:
    if not STANDARD.is_dir():
        pytest.skip("no copy of the standard beside the repository")
    if pydicom.__version__ != _made_with():
        pytest.skip("the tables were made with another version of pydicom")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/generate_tables.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_generator_says_what_it_needs_when_the_standard_is_not_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/generate_tables.py", "--standard", tmp_path / "nowhere"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--standard" in done.stderr


def test_every_attribute_of_table_e_1_1_has_a_vr() -> None:
    missing = [row.pattern for tag, row in tables.table().tags.items() if dictionary.lookup(tag) is None]
    assert missing == []
    assert len(tables.table().tags) == 652
    assert sorted(row.pattern for row in tables.table().repeating) == ["50xxxxxx", "60xx3000", "60xx4000"]


def test_the_dictionary_agrees_with_pydicom_on_every_attribute_that_pydicom_has() -> None:
    for tag, (vr, vm, _, retired, keyword) in DicomDictionary.items():
        if vr == "NONE":
            assert tag not in dictionary.attributes()
            continue
        row = dictionary.attributes()[tag]
        assert row.vr in vr.split(" or ")
        assert (row.vm, row.keyword, row.retired) == (vm, keyword, bool(retired))


@pytest.mark.parametrize(
    ("tag", "vr", "keyword"),
    [
        (0x00100010, "PN", "PatientName"),
        (0x00100012, "LT", "NameToUse"),
        (0x00102162, "UC", "EthnicGroups"),
        (0x0040B036, "DT", "SegmentDefinitionDateTime"),
        (0x00280106, "US", "SmallestImagePixelValue"),
        (0x7FE00010, "OW", "PixelData"),
        (0x60021500, "LO", "OverlayLabel"),
        (0x501E0022, "LO", "CurveDescription"),
    ],
)
def test_an_attribute_is_found_by_its_tag(tag: int, vr: str, keyword: str) -> None:
    found = dictionary.lookup(tag)
    assert found is not None
    assert (found.vr, found.keyword) == (vr, keyword)


@pytest.mark.parametrize("tag", [0x60201500, 0x60011500, 0x50200022, 0x00100099, 0x00090010])
def test_what_is_outside_the_dictionary_is_not_found(tag: int) -> None:
    assert dictionary.lookup(tag) is None


@pytest.mark.parametrize("text", ["PatientID", "(0010,0020)", "0010,0020", "00100020", "(0010, 0020)"])
def test_a_tag_is_read_in_every_usual_form(text: str) -> None:
    assert dictionary.parse_tag(text) == 0x00100020


@pytest.mark.parametrize("text", ["", "PatientIdentifier", "0010", "(0010,00200)", "10,20"])
def test_what_names_no_tag_is_none(text: str) -> None:
    assert dictionary.parse_tag(text) is None


def test_every_uid_attribute_has_exactly_one_role() -> None:
    roles = json.loads((ROOT / "engine/dicom/uid_roles.json").read_text())
    known = {row.keyword for row in dictionary.attributes().values() if row.vr == "UI"}
    assert set(roles["structural"]) | set(roles["instance"]) == known
    assert not set(roles["structural"]) & set(roles["instance"])


def test_no_uid_that_the_standard_replaces_is_structural() -> None:
    replaced = {tag for tag, row in tables.table().tags.items() if row.code == "U"}
    assert replaced & structural_tags() == set()


@pytest.mark.parametrize(
    ("keyword", "structural"),
    [
        ("SOPClassUID", True),
        ("ReferencedSOPClassUID", True),
        ("CodingSchemeUID", True),
        ("ContextUID", True),
        ("MappingResourceUID", True),
        ("AvailableTransferSyntaxUID", True),
        ("SOPInstanceUID", False),
        ("ReferencedSOPInstanceUID", False),
        ("MultiFrameSourceSOPInstanceUID", False),
        ("UID", False),
        ("RetrieveLocationUID", False),
        ("ContextGroupExtensionCreatorUID", False),
    ],
)
def test_a_uid_role_belongs_to_the_attribute(keyword: str, structural: bool) -> None:
    assert (dictionary.parse_tag(keyword) in structural_tags()) is structural


def test_transfer_syntaxes_tell_how_to_read_an_object() -> None:
    known = transfer_syntaxes()
    implicit, big = known["1.2.840.10008.1.2"], known["1.2.840.10008.1.2.2"]
    deflated, jpeg = known["1.2.840.10008.1.2.1.99"], known["1.2.840.10008.1.2.4.50"]
    assert (implicit.explicit, implicit.little, implicit.encapsulated) == (False, True, False)
    assert (big.explicit, big.little) == (True, False)
    assert (deflated.deflated, deflated.encapsulated) == (True, False)
    assert (jpeg.explicit, jpeg.little, jpeg.encapsulated) == (True, True, True)
    assert not known["1.2.840.10008.1.2.4.94"].readable
    assert sum(not syntax.readable for syntax in known.values()) == 10


def test_only_a_lack_of_resources_is_worth_another_try() -> None:
    assert [status for status in Status if status.is_retryable] == [Status.OUT_OF_RESOURCES]


def test_the_overlay_does_not_repeat_the_table_except_to_correct_it() -> None:
    repeated = {tag: row for tag, row in tables.overlay().tags.items() if tag in tables.table().tags}
    assert {dictionary.keyword_of(tag) for tag in repeated} == {
        "PresentationCreationDate",
        "PresentationCreationTime",
        "AnnotationGroupUID",
        "ReferencedStudySequence",
    }
    assert all(row.nested or row.code != tables.table().tags[tag].code for tag, row in repeated.items())
    assert all(row.why for row in tables.overlay().tags.values())


def test_help_does_not_load_the_dictionary() -> None:
    program = (
        "import sys, engine.profile, engine.dicom.dictionary as d\nsys.exit(d._tables.cache_info().currsize)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
