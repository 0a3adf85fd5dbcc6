"""Explanations, comparisons, conformance statements, the schema, and the import of CTP scripts."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from engine.errors import ConfigError, Refusal
from engine.profile import Profile, compile_profile, load, shipped
from engine.profile.actions import ADMISSIBLE
from engine.profile.compare import compare, compare_on_file
from engine.profile.conformance import remarks, statement
from engine.profile.ctp import import_script
from engine.profile.deviations import deviations
from engine.profile.explain import explain
from engine.profile.loader import loads
from engine.profile.model import OPTIONS
from engine.profile.schema import schema

HEADER = 'profile = "mine"\nbase = "ps3.15@2026c/basic"\n'


def _mine(body: str) -> Profile:
    return loads(HEADER + body, "mine.toml")


def _written(profile: Profile, tag: int) -> Any:
    return next(value for t, _, value in compile_profile(profile).spec.insertions if t == tag)


# --- explain ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "tag", "top", "decided_by", "said"),
    [
        ("default", "PatientName", "hashed-name", "BASE", "Z (Table E.1-1)"),
        ("default", "StudyDate", "empty", "BASE", "K under full-dates, not chosen (Table E.1-1)"),
        ("research", "StudyDate", "shift-date", "OPTION", "C under modified-dates, applied (Table E.1-1)"),
        ("default", "(3002,0002)", "dummy", "BASE", "D (overlay): free text; Type 1 in RT Image"),
        ("default", "60xx,3000", "remove", "BASE", "X (Table E.1-1)"),
        ("default", "(0010,0099)", "remove", "UNKNOWN", None),
        ("research", "(0019,xx0C) SIEMENS MR HEADER", "numeric-only", "OPTION",
         "numeric-only under safe-private-numeric, applied (Table E.3.10-1)"),
        ("default", "(0019,xx0C) SIEMENS MR HEADER", "remove", "UNKNOWN",
         "numeric-only under safe-private-numeric, not chosen (Table E.3.10-1)"),
        ("research", "(2001,xx5a) Philips Imaging DD 001", "remove", "UNKNOWN",
         "not kept: VR ST cannot be checked under safe-private-numeric, applied (Table E.3.10-1)"),
        ("research", "(0009,xx0D) GEMS_PETD_01", "shift-date", "PRIVATE", "shift-date (line 21)"),
        ("default", "(0011,xx01) ACME", "remove", "UNKNOWN", None),
        ("keep-all", "PatientName", "keep", "BASE", None),
    ],
)  # fmt: skip
def test_the_rule_that_decides_is_named(
    profile: str, tag: str, top: str, decided_by: str, said: str | None
) -> None:
    found = explain(load(profile), tag)
    assert (found.decision.top, found.decision.level.name) == (top, decided_by)
    assert said is None or said in [rule for _, rule in found.considered]


def test_what_depends_on_the_iod_is_counted() -> None:
    found = explain(load("default"), "SeriesDate")
    assert set(found.by_iod) == {"remove", "dummy"}
    assert sum(found.by_iod.values()) == 180
    assert (found.decision.top, found.decision.nested, found.value) == ("dummy", "dummy", b"19000101")
    assert explain(load("default"), "PatientBirthDate").by_iod == {}


def test_every_rule_that_selects_an_attribute_is_told_in_the_order_of_strength() -> None:
    profile = _mine(
        '[[rule]]\nvr = "DA"\naction = "keep"\nwhy = "site policy"\n'
        '[[rule]]\ntag = "StudyDate"\naction = "replace"\nvalue = "20000101"\nnested = "remove"\n'
        '[[rule]]\npath = "RequestAttributesSequence/StudyDate"\naction = "empty"\n'
        '[[rule]]\ntag = "RequestAttributesSequence"\naction = "recurse"\n'
    )
    found = explain(profile, "StudyDate")
    assert [level for level, _ in found.considered] == ["path", "tag", "vr", "option", "option", "base"]
    assert found.considered[0][1] == "empty, at RequestAttributesSequence/StudyDate (line 12)"
    assert found.considered[1][1] == "replace, nested remove, with '20000101' (line 7)"
    assert found.considered[2][1] == "keep (line 3): site policy"
    assert (found.decision.top, found.decision.nested, found.value) == ("replace", "remove", b"20000101")


@pytest.mark.parametrize(
    "text", ["PatientNam", "", "(0019,xx0C)", "(0018,xx0C) ACME", "(0019,xxZZ) ACME", "(0019,100C)"]
)
def test_what_names_no_attribute_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        explain(load("default"), text)
    assert caught.value.code == "tag-unknown"
    assert caught.value.hint


# --- deviations and the statement ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["default", "research"])
def test_shipped_profiles_do_what_they_claim(name: str) -> None:
    assert deviations(load(name)) == []
    assert remarks(load(name)) == []


def test_a_rule_that_keeps_what_basic_removes_takes_the_claim_away() -> None:
    profile = _mine('[[rule]]\ntag = "StationName"\naction = "keep"')
    assert [item[0][2] for item in _written(profile, 0x00120064)] == []
    assert _written(profile, 0x00120062) == b"YES"
    assert b"1 attributes kept by exception" in _written(profile, 0x00120063)
    assert statement(profile)["deviations"] == [
        {"attribute": "StationName", "line": 3, "action": "keep", "asked": "dummy", "identity": False}
    ]


@pytest.mark.parametrize("name", ["PatientName", "PatientID", "AccessionNumber", "PatientBirthDate"])
def test_an_object_whose_patient_is_kept_says_so(name: str) -> None:
    profile = _mine(f'[[rule]]\ntag = "{name}"\naction = "keep"')
    assert _written(profile, 0x00120062) == b"NO"


@pytest.mark.parametrize(
    "rule",
    [
        'tag = "StationName"\naction = "remove"',
        'tag = "StationName"\naction = "replace"\nvalue = "S1"',
        'tag = "SOPInstanceUID"\naction = "new-uid"',
        'tag = "Rows"\naction = "remove"',
        'tag = "OtherPatientIDsSequence"\naction = "empty"',
    ],
)
def test_a_rule_that_keeps_no_more_than_basic_is_no_deviation(rule: str) -> None:
    profile = _mine("[[rule]]\n" + rule)
    assert [item[0][2] for item in _written(profile, 0x00120064)] == [b"113100"]


@pytest.mark.parametrize(
    "rule",
    [
        'vr = "DA"\naction = "keep"',
        'group = "60xx"\naction = "keep"',
        'tag = "StudyDate"\naction = "truncate-date"',
        'tag = "PatientSize"\naction = "remove"\nnested = "keep"',
        'private = { group = 0x0019, creator = "A", element = 1, vr = "DS" }\naction = "keep"',
    ],
)
def test_every_kind_of_rule_can_deviate(rule: str) -> None:
    profile = _mine("[[rule]]\n" + rule)
    assert [item[0][2] for item in _written(profile, 0x00120064)] == []


def test_private_attributes_kept_as_a_whole_are_a_deviation() -> None:
    profile = _mine('unknown = { private = "keep" }')
    assert [item[0][2] for item in _written(profile, 0x00120064)] == []
    assert "private" in remarks(profile)[0]


def test_a_rule_that_changes_nothing_is_remarked() -> None:
    assert remarks(_mine('[[rule]]\ntag = "StudyDescription"\naction = "remove"')) == [
        "line 3: the rule for StudyDescription changes nothing (Table E.1-1)"
    ]


def test_the_statement_answers_every_point_of_e_1_3() -> None:
    told = statement(load("research"))
    assert "StudyDescription" in told["attributes"]["clean-text"]
    assert "OtherPatientIDs" in told["attributes"]["remove"]
    assert told["dummies"]["values"]["DA"] == "19000101"
    assert "pass" in told["referential_integrity"]
    assert told["encrypted_attributes"].startswith("none")
    assert {row["attribute"] for row in told["inserted"]} >= {
        "PatientID",
        "DeidentificationMethodCodeSequence",
    }
    assert "ExplicitVRLittleEndian" in told["transfer_syntaxes"]
    assert "JPIPReferenced" not in told["transfer_syntaxes"]
    assert len(told["private"]["kept"]) == len(compile_profile(load("research")).spec.private)
    json.dumps(told)


# --- compare ---------------------------------------------------------------------------------------------------------


def test_a_profile_does_not_differ_from_itself() -> None:
    assert compare(load("research"), load("research")) == []


def test_profiles_are_compared_attribute_by_attribute() -> None:
    found = {row.where: (row.left, row.right) for row in compare(load("default"), load("research"))}
    assert found["(0008,0020)"] == ("empty", "shift-date")
    assert found["(0019,xx0C)"] == ("remove", "numeric-only")
    assert "(0010,0010)" not in found
    both = compare(
        load("default"), _mine('[[rule]]\ngroup = "60xx,1500"\naction = "keep"\nnested = "remove"')
    )
    assert [(row.where, row.right) for row in both if row.keyword == "OverlayLabel"] == [
        ("(6000,1500)", "keep, nested remove")
    ]


def _file(path: Path) -> Path:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality = "MR"
    dataset.PatientName = "Roe^Jane"
    dataset.StudyDate = "20200102"
    item = Dataset()
    item.StudyDate = "20200103"
    item.StationName = "MR7"
    dataset.ReferencedStudySequence = [item]
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_profiles_are_compared_on_what_a_file_holds_and_no_value_is_told(tmp_path: Path) -> None:
    rules = '[[rule]]\ntag = "StationName"\naction = "keep"\nwhen = { modality = "MR" }\n'
    mine = _mine('options = ["full-dates", "safe-private-numeric"]\n' + rules)
    found = compare_on_file(load("default"), mine, _file(tmp_path / "mr.dcm"))
    assert {row.where: (row.left, row.right) for row in found} == {
        "StudyDate": ("empty", "keep"),
        "ReferencedStudySequence/StudyDate": ("empty", "keep"),
        "ReferencedStudySequence/StationName": ("dummy", "keep"),
        "(0019,100C)": ("remove", "numeric-only"),
    }
    assert "Roe" not in repr(found)
    assert "2020" not in repr(found)


@pytest.mark.parametrize("content", [b"", b"not DICOM at all" * 20])
def test_a_file_that_is_not_dicom_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(Refusal) as caught:
        compare_on_file(load("default"), load("research"), path)
    assert "notes.txt" in str(caught.value)


# --- the schema ------------------------------------------------------------------------------------------------------


def test_the_shipped_schema_is_that_of_the_loader(root: Path) -> None:
    assert json.loads((root / "engine/profile/profile.schema.json").read_text()) == schema()


def _validates(text: str) -> bool:
    return bool(jsonschema.Draft202012Validator(schema()).is_valid(tomllib.loads(text)))


@pytest.mark.parametrize("name", shipped())
def test_shipped_profiles_meet_the_schema(root: Path, name: str) -> None:
    text = (root / "engine" / "profile" / "profiles" / f"{name}.toml").read_text()
    jsonschema.Draft202012Validator(schema()).validate(tomllib.loads(text))


@pytest.mark.parametrize(
    "body",
    [
        'colour = "red"',
        'options = ["dates"]',
        'options = ["uids", "uids"]',
        'options = ["full-dates", "modified-dates"]',
        'unknown = { standard = "shred" }',
        "issuer = 1",
        '[[rule]]\ntag = "Rows"',
        '[[rule]]\naction = "keep"',
        '[[rule]]\ntag = "Rows"\nvr = "US"\naction = "keep"',
        '[[rule]]\ntag = "Rows"\naction = "shred"',
        '[[rule]]\ngroup = "0010"\naction = "keep"',
        '[[rule]]\nprivate = { group = 25, element = 1 }\naction = "keep"',
        '[[rule]]\ntag = "Rows"\naction = "keep"\nwhen = {}',
        '[[rule]]\ntag = "Rows"\naction = "keep"\nwhen = { weekday = "Monday" }',
    ],
)
def test_schema_and_loader_refuse_the_same(body: str) -> None:
    assert not _validates(HEADER + body)
    with pytest.raises(ConfigError):
        _mine(body)


def test_schema_and_loader_take_the_same() -> None:
    body = """
options = ["modified-dates"]
issuer = true
[[rule]]
path = "RadiopharmaceuticalInformationSequence/RadiopharmaceuticalStartDateTime"
action = "keep"
why = "decay"
[[rule]]
private = { group = 0x0019, creator = "ACME", element = [1, 2], vr = "DS" }
action = "keep"
when = { modality = ["CT"], present = "BodyPartExamined", equals = { BodyPartExamined = "HEAD" } }
[[rule]]
group = "60xx,3000"
action = "keep"
[[rule]]
vr = "UT"
action = "clean-text"
"""
    assert _validates(HEADER + body)
    assert len(_mine(body).rules) == 5


# --- CTP -------------------------------------------------------------------------------------------------------------

SCRIPT = """<script>
  <p t="DATEINC">-365</p>
  <p t="SITENAME">Site Seven</p>
  <e en="T" t="00080020" n="StudyDate">@incrementdate(this,@DATEINC)</e>
  <e en="T" t="00080018" n="SOPInstanceUID">@hashuid(@UIDROOT,this)</e>
  <e en="T" t="00080080" n="InstitutionName">@param(@SITENAME)</e>
  <e en="T" t="00081030" n="StudyDescription">@keep()</e>
  <e en="T" t="00081010" n="StationName">@remove()</e>
  <e en="T" t="00081050" n="PerformingPhysicianName">@remove()</e>
  <e en="T" t="00100010" n="PatientName">@hashname(this)</e>
  <e en="T" t="00100020" n="PatientID">@hashptid(@SITEID,PatientID)</e>
  <e en="T" t="00100040" n="PatientSex"></e>
  <e en="T" t="00120010" n="ClinicalTrialSponsorName">Acme "Trials"</e>
  <e en="T" t="0019[SIEMENS MR HEADER]0C" n="BValue">@keep()</e>
  <e en="T" t="00080060" n="Modality">@if(this,equals,"SR"){@quarantine()}{@keep()}</e>
  <e en="T" t="00280010" n="Rows">@incrementdate(this,@DATEINC)</e>
  <e en="T" t="00990010" n="Nothing">@keep()</e>
  <e en="F" t="00100030" n="PatientBirthDate">@keep()</e>
  <k en="F" t="0018">Keep group 0018</k>
  <k en="T" t="0028">Keep group 0028</k>
  <r en="T" t="privategroups">Remove private groups</r>
  <r en="T" t="overlays">Remove overlays</r>
</script>"""


def test_a_ctp_script_becomes_a_profile() -> None:
    done = import_script(SCRIPT, "from-ctp")
    rules = {rule.tag: rule for rule in loads(done.toml, "x").rules}
    by_name = {tag: rule.action for tag, rule in rules.items()}
    assert by_name[0x00080020] == "shift-date"
    assert by_name[0x00081030] == "keep"
    assert 0x00100010 not in by_name
    assert rules[0x00080080].value == "Site Seven"
    assert rules[0x00120010].value == 'Acme "Trials"'
    assert [r.private.creator for r in loads(done.toml, "x").rules if r.private] == ["SIEMENS MR HEADER"]
    assert done.imported == 11


def test_what_basic_does_anyway_is_not_written_out() -> None:
    rules = [rule.tag for rule in loads(import_script(SCRIPT, "x").toml, "x").rules]
    assert 0x00080018 not in rules
    assert 0x00081050 not in rules
    assert 0x00081010 in rules


def test_what_could_not_be_imported_is_listed_with_the_reason() -> None:
    done = import_script(SCRIPT, "x")
    told = dict(done.not_imported)
    assert set(told) == {"00080060 Modality", "00280010 Rows", "00990010 Nothing", "k 0028"}
    assert "@if" in told["00080060 Modality"]
    assert "VR US" in told["00280010 Rows"]
    assert [entry for entry, _ in done.differences if entry.startswith("r ")] == [
        "r privategroups",
        "r overlays",
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("set.[0008,0020]=x", "not XML"),
        ("<html/>", "<html>"),
        ('<!DOCTYPE s [<!ENTITY a "b">]><script/>', "entities"),
        ("", "not XML"),
    ],
)
def test_a_text_that_is_no_script_is_refused(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        import_script(text, "x")
    assert part in str(caught.value)


# --- the documentation -----------------------------------------------------------------------------------------------


def test_the_example_of_the_documentation_is_a_profile(root: Path) -> None:
    text = (root / "docs" / "profiles.md").read_text(encoding="utf-8")
    example = text.split("```toml\n")[1].split("```")[0]
    assert _validates(example)
    assert len(compile_profile(loads(example, "docs/profiles.md")).profile.rules) == 6


def test_the_documentation_names_every_action_and_option(root: Path) -> None:
    text = (root / "docs" / "profiles.md").read_text(encoding="utf-8")
    assert [word for word in (*ADMISSIBLE, *OPTIONS, *shipped()) if word not in text] == []
