"""What a profile decides over each attribute, and the program that comes out."""

from __future__ import annotations

import pytest

from engine._native.program import ACTIONS
from engine.dicom import dictionary
from engine.errors import ConfigError
from engine.profile import compile_profile, compiled, load
from engine.profile.actions import CODES
from engine.profile.loader import loads
from engine.profile.model import Profile
from engine.profile.program import ProgramSpec
from engine.profile.validate import MOST_FACTS
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.pixels import FACTS
from engine.pseudonymize.rewrite import Pseudonymizer

NAMES = {code: name for name, code in CODES.items()}

HEADER = """
profile = "mine"
base = "ps3.15@2026c/basic"
"""


def _spec(body: str = "", options: str = "") -> ProgramSpec:
    return compile_profile(loads(f"{HEADER}options = [{options}]\n{body}", "mine.toml")).spec


def _of(spec: ProgramSpec, name: str) -> tuple[str, str, bytes]:
    """(action at the top level, action when nested, constant)."""
    tag = dictionary.parse_tag(name)
    for rule, _, top, nested, argument in spec.rules:
        if rule == tag:
            return NAMES[top], NAMES[nested], spec.constants[argument]
    raise AssertionError(f"no rule for {name}")


def test_the_action_codes_are_those_of_the_rewriter() -> None:
    assert CODES == ACTIONS


def test_every_standard_attribute_has_one_rule() -> None:
    tags = [rule[0] for rule in compiled("default").spec.rules]
    assert tags == sorted(dictionary.attributes())


@pytest.mark.parametrize(
    ("name", "top", "nested"),
    [
        ("PatientName", "hashed-name", "empty"),
        ("PatientID", "hash-patient", "hash-patient"),
        ("AccessionNumber", "hash-accession", "hash-accession"),
        ("StudyID", "hash-study", "empty"),
        ("PatientBirthDate", "empty", "empty"),
        ("InstitutionName", "replace", "replace"),
        ("StudyDescription", "remove", "remove"),
        ("SOPInstanceUID", "new-uid", "new-uid"),
        ("SOPClassUID", "keep", "keep"),
        ("ReferencedImageSequence", "recurse", "recurse"),
        ("SharedFunctionalGroupsSequence", "recurse", "recurse"),
        ("PersonIdentificationCodeSequence", "scrub", "scrub"),
        ("ReferencedStudySequence", "empty", "recurse"),
        ("OtherPatientIDsSequence", "remove", "remove"),
        ("EncryptedAttributesSequence", "remove", "remove"),
        ("LocalNamespaceEntityID", "replace", "replace"),
        ("CodeMeaning", "clean-text", "clean-text"),
        ("DoseComment", "clean-text", "clean-text"),
        ("IconImageSequence", "remove", "remove"),
        ("DigitalSignaturesSequence", "remove", "remove"),
        ("EncapsulatedDocument", "replace-document", "replace-document"),
        ("AnnotationGroupUID", "new-uid", "new-uid"),
        ("PatientBirthDateInAlternativeCalendar", "remove", "remove"),
        ("RetrieveURL", "replace", "replace"),
        ("TransferSyntaxUID", "remove", "remove"),
        ("DirectoryRecordSequence", "remove", "remove"),
        ("AffectedSOPInstanceUID", "remove", "remove"),
        ("ImageComments", "remove", "remove"),
        ("DateOfGainCalibration", "replace", "replace"),
        ("Rows", "keep", "keep"),
        ("PixelData", "keep", "keep"),
        ("Modality", "keep", "keep"),
    ],
)
def test_default_is_the_basic_profile_with_its_gaps_closed(name: str, top: str, nested: str) -> None:
    assert _of(compiled("default").spec, name)[:2] == (top, nested)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ContentDate", b"19000101"),
        ("ContentTime", b"000000"),
        ("InstitutionName", b"REMOVED"),
        ("SelectorUNValue", b"\0\0"),
        ("RetrieveURL", b"about:blank"),
        ("ReasonForTheAttributeModification", b"COERCE"),
    ],
)
def test_a_dummy_is_a_value_of_the_vr(name: str, value: bytes) -> None:
    assert _of(compiled("default").spec, name)[2] == value


def test_text_that_was_retired_before_it_was_listed_is_removed() -> None:
    spec = compiled("default").spec
    listed = {
        row.tag for row in dictionary.attributes().values() if row.retired and row.vr in dictionary.TEXT_VRS
    }
    kept = [tag for tag, _, top, nested, _ in spec.rules if tag in listed and CODES["keep"] in (top, nested)]
    assert kept == []


def test_no_uid_is_kept_but_those_of_definitions() -> None:
    spec = compiled("default").spec
    kept = {
        dictionary.keyword_of(tag) for tag, vr, top, _, _ in spec.rules if vr == "UI" and NAMES[top] == "keep"
    }
    assert "SOPClassUID" in kept
    assert not {
        word for word in kept if "Instance" in word or "FrameOfReference" in word or "Study" in word
    } - {
        "SOPClassesInStudy",
        "PertinentSOPClassesInStudy",
        "StoredInstanceTransferSyntaxUID",
    }


def test_no_date_or_time_is_kept_without_an_option() -> None:
    spec = compiled("default").spec
    assert [
        r for r in spec.rules if r[1] in dictionary.DATE_VRS and NAMES[r[2]] in ("keep", "shift-date")
    ] == []
    assert {vr: NAMES[code] for vr, (code, _) in spec.vr_rules.items()} == {
        "DA": "replace",
        "DT": "replace",
        "TM": "replace",
        "UI": "new-uid",
        "PN": "empty",
    }


def test_curves_and_overlays_go_as_a_whole() -> None:
    spec = compiled("default").spec
    assert {NAMES[row[3]] for row in spec.repeating} == {"remove"}
    assert {(row[0] | row[1]) >> 16 & 0xFFE1 for row in spec.repeating} == {0xFFE1}


def test_what_was_applied_is_written_into_the_object() -> None:
    written = {tag: value for tag, _, value in compiled("default").spec.insertions}
    assert written[0x00120062] == b"YES"
    assert written[0x00280303] == b"REMOVED"
    assert written[0x00120064] == [
        [(0x00080100, "SH", b"113100"), (0x00080102, "SH", b"DCM"),
         (0x00080104, "LO", b"Basic Application Confidentiality Profile")]
    ]  # fmt: skip
    assert written[0x00120063] == b"Penstock\\profile default\\PS3.15-2026c basic"
    assert (written[0x00100020], written[0x00200010]) == ("hashed-id", "study-id")
    assert list(written) == sorted(written)


def test_each_value_of_the_method_fits_its_vr() -> None:
    everything = (
        '"device-identity", "uids", "institution-identity", "patient-characteristics", "modified-dates", '
    )
    spec = _spec(options=everything + '"clean-descriptors", "clean-structured-content", "clean-graphics"')
    method = next(value for tag, _, value in spec.insertions if tag == 0x00120063)
    assert isinstance(method, bytes)
    assert all(len(part) <= 64 for part in method.split(b"\\"))


def test_keep_all_keeps_all_and_claims_nothing() -> None:
    spec = compiled("keep-all").spec
    assert {NAMES[top] for _, _, top, _, _ in spec.rules} == {"keep"}
    assert spec.insertions == []
    assert spec.identifiers == []
    assert {name: NAMES[code] for name, code in spec.flags.items()} == {
        "unknown_standard": "keep",
        "unknown_private": "keep",
    }


@pytest.mark.parametrize("name", ["default", "keep-all"])
def test_the_rewriter_takes_the_program(name: str) -> None:
    program = compiled(name).program
    row = program.explain(0x00100010)
    assert row is not None
    assert (row["vr"], NAMES[int(row["top"])]) == ("PN", "hashed-name" if name == "default" else "keep")


def test_the_digest_is_of_the_rules() -> None:
    assert compiled("default").digest == compiled("default").digest
    assert compiled("default").digest != compiled("keep-all").digest
    assert _spec('[[rule]]\ntag = "StationName"\naction = "keep"') != _spec()
    one, other = (
        compile_profile(loads(f'{HEADER}[[rule]]\ntag = "StationName"\naction = "{action}"', "x")).digest
        for action in ("keep", "empty")
    )
    assert one != other


@pytest.mark.parametrize(
    ("option", "name", "action"),
    [
        ("uids", "SOPInstanceUID", "keep"),
        ("uids", "TargetFrameOfReferenceUID", "keep"),
        ("uids", "ReferencedImageSequence", "recurse"),
        ("device-identity", "StationName", "keep"),
        ("device-identity", "StationAETitle", "replace"),
        ("institution-identity", "InstitutionName", "keep"),
        ("institution-identity", "InstitutionCodeSequence", "recurse"),
        ("patient-characteristics", "PatientWeight", "keep"),
        ("patient-characteristics", "PatientAge", "generalise-age"),
        ("patient-characteristics", "Allergies", "clean-text"),
        ("full-dates", "StudyDate", "keep"),
        ("full-dates", "DateOfGainCalibration", "keep"),
        ("full-dates", "PatientBirthDate", "empty"),
        ("modified-dates", "StudyDate", "shift-date"),
        ("modified-dates", "AcquisitionTime", "shift-date"),
        ("modified-dates", "DateOfGainCalibration", "shift-date"),
        ("modified-dates", "TimezoneOffsetFromUTC", "keep"),
        ("modified-dates", "CertifiedTimestamp", "remove"),
        ("modified-dates", "PatientBirthDate", "empty"),
        ("clean-descriptors", "StudyDescription", "clean-text"),
        ("clean-descriptors", "ReasonForVisitCodeSequence", "clean-code"),
        ("clean-descriptors", "MakerNote", "remove"),
        ("clean-descriptors", "PatientName", "hashed-name"),
        ("clean-structured-content", "ContentSequence", "clean-sr"),
        ("clean-graphics", "GraphicAnnotationSequence", "recurse"),
    ],
)
def test_an_option_overrides_the_base(option: str, name: str, action: str) -> None:
    assert _of(_spec(options=f'"{option}"'), name)[0] == action


def test_a_device_date_is_shifted_where_dates_are_modified() -> None:
    assert _of(_spec(options='"device-identity"'), "DateOfLastCalibration")[0] == "keep"
    assert (
        _of(_spec(options='"device-identity", "modified-dates"'), "DateOfLastCalibration")[0] == "shift-date"
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("", b"REMOVED"),
        ('"device-identity"', b"REMOVED"),
        ('"modified-dates"', b"MODIFIED"),
        ('"modified-dates", "device-identity"', b"MODIFIED"),
        ('"full-dates"', b"UNMODIFIED"),
    ],
)
def test_the_object_says_what_happened_to_its_dates(options: str, told: bytes) -> None:
    assert (0x00280303, "CS", told) in _spec(options=options).insertions


def test_a_rule_that_keeps_a_date_is_told_too() -> None:
    spec = _spec('[[rule]]\ntag = "StudyDate"\naction = "keep"')
    assert (0x00280303, "CS", b"UNMODIFIED") in spec.insertions


def test_a_tag_beats_a_vr_and_a_vr_beats_an_option() -> None:
    body = '[[rule]]\nvr = "DA"\naction = "truncate-date"\n[[rule]]\ntag = "SeriesDate"\naction = "keep"'
    spec = _spec(body, options='"modified-dates"')
    assert _of(spec, "StudyDate")[0] == "truncate-date"
    assert _of(spec, "SeriesDate")[0] == "keep"
    assert _of(spec, "StudyTime")[0] == "shift-date"
    assert NAMES[spec.vr_rules["DA"][0]] == "truncate-date"


def test_a_group_mask_beats_a_vr_and_the_base() -> None:
    spec = _spec('[[rule]]\ngroup = "60xx"\naction = "keep"\n[[rule]]\nvr = "LO"\naction = "empty"')
    overlays = {NAMES[row[3]] for row in spec.repeating if row[1] >> 24 == 0x60}
    curves = {NAMES[row[3]] for row in spec.repeating if row[1] >> 24 == 0x50 and row[2] != "LO"}
    assert (overlays, curves) == ({"keep"}, {"remove"})


def test_a_rule_may_differ_inside_sequences() -> None:
    spec = _spec('[[rule]]\ntag = "StationName"\naction = "keep"\nnested = "remove"')
    assert _of(spec, "StationName")[:2] == ("keep", "remove")


def test_a_replacement_is_written_as_its_vr() -> None:
    body = (
        '[[rule]]\ntag = "InstitutionName"\naction = "replace"\nvalue = "Site 7"\n'
        '[[rule]]\ntag = "PregnancyStatus"\naction = "replace"\nvalue = 4'
    )
    spec = _spec(body)
    assert _of(spec, "InstitutionName")[2] == b"Site 7"
    assert _of(spec, "PregnancyStatus")[2] == b"\x04\0"


def test_a_path_goes_from_the_top_down() -> None:
    body = (
        '[[rule]]\npath = "RadiopharmaceuticalInformationSequence/RadiopharmaceuticalStartDateTime"\n'
        'action = "shift-date"'
    )
    spec = _spec(body)
    tags, action, argument = spec.paths[0]
    assert (tags, NAMES[action]) == ((0x00540016, 0x00181078), "shift-date")
    assert spec.constants[argument] == b"19000101000000"


def test_a_path_through_a_sequence_that_some_iods_lose_is_refused_unless_it_is_kept_open() -> None:
    path = '[[rule]]\npath = "InstitutionCodeSequence/CodeMeaning"\naction = "keep"\n'
    with pytest.raises(ConfigError, match=r"InstitutionCodeSequence on the way is removed .* X/Z/D"):
        _spec(path)
    opened = _spec(path + '[[rule]]\ntag = "InstitutionCodeSequence"\naction = "recurse"\n')
    assert opened.paths[0][0] == (0x00080082, 0x00080104)


def test_shipped_profiles_load() -> None:
    assert load("default").is_basic
    assert not load("keep-all").is_basic


def test_a_profile_of_ones_own_links_back_to_the_patient_like_the_shipped_ones() -> None:
    for name in ("PatientID", "PatientName", "AccessionNumber", "StudyID"):
        assert _of(_spec(), name)[:2] == _of(compiled("default").spec, name)[:2]
    assert (0x00100020, "LO", "hashed-id") in _spec().insertions
    assert (0x00100020, "LO", "hashed-id") not in _spec(
        '[[rule]]\ntag = "PatientID"\naction = "empty"'
    ).insertions


def test_cleaned_text_that_must_not_be_empty_has_something_to_fall_back_on() -> None:
    spec = _spec(options='"clean-descriptors"')
    assert _of(spec, "StructureSetLabel") == ("clean-text", "clean-text", b"REMOVED")
    assert _of(spec, "StudyDescription") == ("clean-text", "clean-text", b"")


def asking(count: int) -> Profile:
    """Rules that ask for so many attributes that nothing else asks for."""
    tags = sorted({tag for tag in dictionary.attributes() if tag >> 16 == 0x0018} - {*FACTS})[:count]
    rules = "".join(
        f'[[rule]]\ntag = "{dictionary.keyword_of(tag)}"\naction = "remove"\n'
        f'when = {{ present = ["{dictionary.keyword_of(tag)}"] }}\n'
        for tag in tags
    )
    return loads(f'profile = "asking"\nbase = "ps3.15@2026c/basic"\n{rules}', "asking.toml")


def test_conditions_ask_for_no_more_than_one_survey_can_look_for() -> None:
    most = compile_profile(asking(MOST_FACTS - 1))  # the SOP class is asked for in any case
    assert len(most.facts) == MOST_FACTS
    Pseudonymizer(most, HashSecret(bytes(32)))
    with pytest.raises(ConfigError, match=f"asking.toml: conditions ask for at most {MOST_FACTS} different"):
        compile_profile(asking(MOST_FACTS + 1))
