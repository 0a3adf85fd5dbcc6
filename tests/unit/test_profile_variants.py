"""What depends on the object: compound codes by IOD, and rules with conditions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.dicom import dictionary
from engine.errors import ConfigError
from engine.profile import CompiledProfile, compile_profile, compiled, iod_types, load
from engine.profile.actions import CODES
from engine.profile.decide import resolve
from engine.profile.loader import loads
from engine.profile.program import ProgramSpec

NAMES = {code: name for name, code in CODES.items()}
HEADER = 'profile = "mine"\nbase = "ps3.15@2026c/basic"\n'
SOP_CLASS, MODALITY, MANUFACTURER = 0x00080016, 0x00080060, 0x00080070

CT = b"1.2.840.10008.5.1.4.1.1.2\0"
PET = b"1.2.840.10008.5.1.4.1.1.128"
GRAYSCALE_STATE = b"1.2.840.10008.5.1.4.1.1.11.1"
SEGMENTATION = b"1.2.840.10008.5.1.4.1.1.66.4"
PRIVATE = b"1.2.840.113619.4.27"


def _of(spec: ProgramSpec, name: str) -> tuple[str, str]:
    tag = dictionary.parse_tag(name)
    return next((NAMES[top], NAMES[nested]) for rule, _, top, nested, _ in spec.rules if rule == tag)


def _mine(body: str) -> CompiledProfile:
    return compile_profile(loads(HEADER + body, "mine.toml"))


def _error(body: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _mine(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("code", "types"),
    [
        ("X/Z/D", "XZD"),
        ("X/Z", "XZZ"),
        ("X/D", "XDD"),
        ("Z/D", "ZZD"),
        ("X/Z/U*", None),
    ],
)
def test_a_compound_code_is_resolved_by_type(code: str, types: str | None) -> None:
    for iod_type in range(3):
        assert resolve(code, iod_type) == (types[iod_type] if types else code)


@pytest.mark.parametrize(
    ("sop_class", "name", "top"),
    [
        (CT, "InstitutionName", "remove"),
        (CT, "SeriesDate", "remove"),
        (PET, "SeriesDate", "replace"),
        (CT, "ContentDate", "empty"),
        (SEGMENTATION, "ContentDate", "replace"),
        (SEGMENTATION, "ContentCreatorName", "empty"),
        (CT, "DeviceSerialNumber", "remove"),
        (SEGMENTATION, "DeviceSerialNumber", "replace"),
        (CT, "PresentationCreationDate", "remove"),
        (GRAYSCALE_STATE, "PresentationCreationDate", "replace"),
        (CT, "OperatorsName", "remove"),
        (CT, "ReferencedImageSequence", "recurse"),
        (PRIVATE, "InstitutionName", "replace"),
        (b"", "InstitutionName", "replace"),
    ],
)
def test_the_iod_decides_at_the_top_level(sop_class: bytes, name: str, top: str) -> None:
    assert _of(compiled("default").spec_for({SOP_CLASS: sop_class}), name)[0] == top


@pytest.mark.parametrize("name", ["InstitutionName", "SeriesDate", "DeviceSerialNumber", "StationName"])
def test_inside_sequences_the_code_that_keeps_the_object_valid_is_taken(name: str) -> None:
    assert _of(compiled("default").spec_for({SOP_CLASS: CT}), name)[1] == "replace"


def test_the_iod_table_knows_every_compound_row_and_no_other(root: Path) -> None:
    rows = json.loads((root / "engine/profile/data/attributes.json").read_text())["rows"]
    compound = {int(row[0], 16) for row in rows if "/" in row[1]}
    assert len(compound) == 50
    assert compound <= set(iod_types.tags())
    types = iod_types.types_of("1.2.840.10008.5.1.4.1.1.2")
    assert types is not None
    assert len(types) == len(iod_types.tags())


def test_objects_of_one_kind_share_a_program() -> None:
    profile = compiled("default")
    assert profile.program_for({SOP_CLASS: CT}) is profile.program_for({SOP_CLASS: CT, MODALITY: b"CT"})
    assert profile.program_for({SOP_CLASS: CT}) is not profile.program_for({SOP_CLASS: PET})
    assert profile.program is profile.program_for({SOP_CLASS: PRIVATE})


def test_a_program_by_iod_says_the_same_as_its_specification() -> None:
    profile = compiled("default")
    row = profile.program_for({SOP_CLASS: CT}).explain(0x00080021)
    assert row is not None
    assert (NAMES[int(row["top"])], NAMES[int(row["nested"])]) == ("remove", "replace")


def test_keep_all_does_not_ask_for_the_iod() -> None:
    profile = compiled("keep-all")
    assert profile.program_for({SOP_CLASS: CT}) is profile.program


CONDITIONAL = """
[[rule]]
tag = "StationName"
action = "keep"
when = { modality = "MR", manufacturer = ["Siemens", "GE"] }

[[rule]]
tag = "StationName"
action = "empty"
"""


@pytest.mark.parametrize(
    ("modality", "maker", "action"),
    [
        (b"MR", b"SIEMENS Healthineers ", "keep"),
        (b"MR", b"GE MEDICAL SYSTEMS", "keep"),
        (b"MR", b"Philips", "empty"),
        (b"CT", b"SIEMENS", "empty"),
        (b"MR ", b"\xc5\x81\xc3", "empty"),
        (None, None, "empty"),
    ],
)
def test_a_rule_with_a_condition_goes_first_where_it_is_met(
    modality: bytes | None, maker: bytes | None, action: str
) -> None:
    profile = _mine(CONDITIONAL)
    assert profile.facts == (SOP_CLASS, MODALITY, MANUFACTURER)
    assert _of(profile.spec_for({MODALITY: modality, MANUFACTURER: maker}), "StationName")[0] == action


@pytest.mark.parametrize(
    ("when", "values", "met"),
    [
        ('sop-class = "1.2.840.10008.5.1.4.1.1.2"', {SOP_CLASS: CT}, True),
        ('sop-class = "1.2.840.10008.5.1.4.1.1.2"', {SOP_CLASS: PET}, False),
        ('present = "BodyPartExamined"', {0x00180015: b"HEAD"}, True),
        ('present = "BodyPartExamined"', {0x00180015: b"  "}, False),
        ('present = ["BodyPartExamined", "PatientID"]', {0x00180015: b"HEAD"}, False),
        ('equals = { BodyPartExamined = "HEAD" }', {0x00180015: b"HEAD "}, True),
        ('equals = { BodyPartExamined = "HEAD" }', {0x00180015: b"HEADNECK"}, False),
        ('equals = { BodyPartExamined = "HEAD" }', {}, False),
    ],
)
def test_every_question_that_a_condition_can_ask(when: str, values: dict[int, bytes], met: bool) -> None:
    profile = _mine(f'[[rule]]\ntag = "StationName"\naction = "keep"\nwhen = {{ {when} }}')
    assert (_of(profile.spec_for(values), "StationName")[0] == "keep") is met
    assert set(values) <= set(profile.facts)


def test_conditions_that_could_both_hold_are_a_contradiction() -> None:
    body = """
[[rule]]
tag = "StationName"
action = "keep"
when = { modality = "MR" }
[[rule]]
tag = "StationName"
action = "empty"
when = { manufacturer = "GE" }
"""
    told = _error(body)
    assert "mine.toml:8" in told
    assert "line 4" in told


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('modality = "MR"', 'modality = ["CT", "PT"]'),
        ('sop-class = "1.2.3"', 'sop-class = "1.2.4"'),
        ('manufacturer = "GE"', 'manufacturer = "Siemens"'),
        ('equals = { BodyPartExamined = "HEAD" }', 'equals = { BodyPartExamined = "NECK" }'),
    ],
)
def test_conditions_that_exclude_each_other_may_share_an_attribute(one: str, other: str) -> None:
    rules = [
        f'[[rule]]\ntag = "StationName"\naction = "keep"\nwhen = {{ {when} }}\n' for when in (one, other)
    ]
    assert len(_mine("".join(rules)).profile.rules) == 2


def test_manufacturers_of_which_one_begins_as_the_other_do_not_exclude_each_other() -> None:
    names = ("GE", "ge medical")
    rules = [f'[[rule]]\ntag = "Rows"\naction = "keep"\nwhen = {{ manufacturer = "{n}" }}\n' for n in names]
    assert "same attributes" in _error("".join(rules))


@pytest.mark.parametrize(
    ("when", "part"),
    [
        ("{}", "modality"),
        ('"MR"', "modality"),
        ('{ weekday = "Monday" }', "weekday"),
        ("{ modality = 7 }", "string"),
        ("{ modality = [] }", "names nothing"),
        ('{ modality = " " }', "string"),
        ('{ present = "Nonsense" }', "Nonsense"),
        ('{ equals = "HEAD" }', "equals"),
        ("{ equals = { BodyPartExamined = 7 } }", "equals"),
        ('{ equals = { Nonsense = "x" } }', "Nonsense"),
    ],
)
def test_a_wrong_condition_is_named_with_its_line(when: str, part: str) -> None:
    told = _error(f'[[rule]]\ntag = "StationName"\naction = "keep"\nwhen = {when}')
    assert told.startswith("mine.toml:6: rule.when: ")
    assert part in told


def test_a_condition_changes_the_digest() -> None:
    rule = '[[rule]]\ntag = "StationName"\naction = "keep"\n'
    digests = {_mine(rule).digest, _mine(rule + 'when = { modality = "MR" }').digest, _mine("").digest}
    assert len(digests) == 3


@pytest.mark.parametrize("name", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_what_no_object_can_be_without_cannot_be_removed(name: str) -> None:
    told = _error(f'[[rule]]\ntag = "{name}"\naction = "remove"')
    assert "mine.toml:3" in told
    assert name in told


def test_a_uid_rule_by_vr_leaves_definitions_alone() -> None:
    spec = _mine('[[rule]]\nvr = "UI"\naction = "new-uid"').spec
    assert _of(spec, "SOPClassUID")[0] == "keep"
    assert _of(spec, "InstanceCreatorUID")[0] == "new-uid"


def test_a_path_through_a_removed_sequence_is_a_contradiction() -> None:
    body = '[[rule]]\npath = "OtherPatientIDsSequence/TypeOfPatientID"\naction = "keep"'
    told = _error(body)
    assert "mine.toml:3" in told
    assert "OtherPatientIDsSequence" in told
    assert "recurse" in told
    opened = '[[rule]]\ntag = "OtherPatientIDsSequence"\naction = "recurse"\n'
    assert len(_mine(opened + body).spec.paths) == 1


def test_a_contradiction_that_only_some_objects_would_meet_is_found_at_once() -> None:
    body = """
[[rule]]
tag = "RadiopharmaceuticalInformationSequence"
action = "remove"
when = { modality = "PT" }
[[rule]]
path = "RadiopharmaceuticalInformationSequence/RadionuclideTotalDose"
action = "keep"
when = { %s }
"""
    told = _error(body % 'manufacturer = "GE"')
    assert "mine.toml:8" in told
    assert "rule at line 4" in told
    assert len(_mine(body % 'modality = "CT"').profile.rules) == 2
    private = """
[[rule]]
private = { group = 0x0019, creator = "ACME", element = 1 }
action = "keep"
when = { modality = "CT" }
"""
    assert "vr" in _error(private)


def test_too_many_conditions_beside_paths_are_refused() -> None:
    rules = "".join(
        f'[[rule]]\ntag = "StationName"\naction = "keep"\nwhen = {{ equals = {{ Modality = "M{n}" }} }}\n'
        for n in range(11)
    )
    path = (
        '[[rule]]\npath = "RadiopharmaceuticalInformationSequence/RadionuclideTotalDose"\naction = "keep"\n'
    )
    assert len(_mine(rules).profile.rules) == 11
    assert "at most 10" in _error(rules + path)


def test_the_safe_list_keeps_numbers_and_codes_only() -> None:
    private = compiled("research").spec.private
    by_vr = {(vr, NAMES[action]) for _, _, _, vr, action, _ in private}
    assert by_vr == {
        *((vr, "numeric-only") for vr in ("US", "SS", "UL", "SL", "FL", "FD", "DS", "IS")),
        ("CS", "clean-code"),
        ("DT", "shift-date"),
    }
    assert (0x0019, b"SIEMENS MR HEADER", 0x0C) in {row[:3] for row in private}
    assert (0x2001, b"Philips Imaging DD 001", 0x5A) not in {row[:3] for row in private}
    assert compiled("default").spec.private == []


def test_a_private_rule_beats_the_safe_list() -> None:
    body = """options = ["safe-private-numeric"]
[[rule]]
private = { group = 0x0019, creator = "SIEMENS MR HEADER", element = 0x0C }
action = "remove"
"""
    rows = {row[:3]: NAMES[row[4]] for row in _mine(body).spec.private}
    assert rows[0x0019, b"SIEMENS MR HEADER", 0x0C] == "remove"
    assert rows[0x0019, b"SIEMENS MR HEADER", 0x0D] == "clean-code"


def test_a_private_element_of_unknown_vr_needs_one() -> None:
    told = _error('[[rule]]\nprivate = { group = 0x0019, creator = "ACME", element = 1 }\naction = "keep"')
    assert "mine.toml:3" in told
    assert "vr" in told


def test_a_private_rule_under_a_profile_that_keeps_all_private_is_an_error() -> None:
    body = """unknown = { private = "keep" }
[[rule]]
private = { group = 0x0019, creator = "ACME", element = 1, vr = "DS" }
action = "remove"
"""
    assert "never apply" in _error(body)


RETAINED = """
    RadiopharmaceuticalInformationSequence RadionuclideTotalDose RadionuclideHalfLife RadionuclidePositronFraction
    Units CountsSource DecayCorrection FrameReferenceTime DecayFactor CorrectedImage PatientSize PatientWeight
    PatientSex ImagePositionPatient ImageOrientationPatient SliceThickness SpacingBetweenSlices PixelSpacing
    SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence KVP RepetitionTime EchoTime InversionTime
    MagneticFieldStrength XRayTubeCurrent Exposure ConvolutionKernel FlipAngle DiffusionBValue
    DiffusionGradientOrientation Manufacturer ManufacturerModelName SoftwareVersions WindowCenter WindowWidth
    RescaleIntercept RescaleSlope RescaleType WindowCenterWidthExplanation
"""
SHIFTED = """
    RadiopharmaceuticalStartTime RadiopharmaceuticalStartDateTime SeriesDate SeriesTime AcquisitionDate AcquisitionTime
    StudyDate StudyTime ContentDate ContentTime
"""


def test_research_keeps_what_researchers_need() -> None:
    for sop_class in (CT, PET, b""):
        spec = compiled("research").spec_for({SOP_CLASS: sop_class})
        assert {name: _of(spec, name) for name in RETAINED.split()} == {
            name: ("recurse", "recurse") if name.endswith("Sequence") else ("keep", "keep")
            for name in RETAINED.split()
        }
        assert {_of(spec, name) for name in SHIFTED.split()} == {("shift-date", "shift-date")}
        assert _of(spec, "FrameOfReferenceUID")[0] == "new-uid"
        assert _of(spec, "PatientBirthDate")[0] == "empty"


def test_research_says_what_it_applied() -> None:
    inserted = {tag: value for tag, _, value in compiled("research").spec.insertions}
    codes = inserted[0x00120064]
    assert [item[0][2] for item in codes if not isinstance(item, str | int)] == [
        b"113100", b"113105", b"113107", b"113108", b"113109", b"113111",
    ]  # fmt: skip
    assert inserted[0x00280303] == b"MODIFIED"


def test_research_is_shipped() -> None:
    assert load("research").options


@pytest.mark.parametrize(
    ("sop_class", "begins"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", b"%PDF-"),
        ("1.2.840.10008.5.1.4.1.1.104.2", b"<ClinicalDocument"),
        ("1.2.840.10008.5.1.4.1.1.104.3", b"solid"),
        ("1.2.840.10008.5.1.4.1.1.104.4", b"#"),
        ("1.2.3", b"%PDF-"),
    ],
)
def test_a_document_becomes_an_empty_one_of_its_kind(sop_class: str, begins: bytes) -> None:
    profile = compiled("default")
    values = {SOP_CLASS: sop_class.encode()}
    spec = profile.spec_for(values)
    argument = next(row[4] for row in spec.rules if row[0] == 0x00420011)
    assert spec.constants[argument].startswith(begins)
    row = profile.program_for(values).explain(0x00420011)
    assert row is not None
    assert row["arg"] == argument
