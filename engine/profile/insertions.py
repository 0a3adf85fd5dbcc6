"""What is written into every object to say what was done to it (PS3.15 E.1.1, E.2, E.3.6; CID 7050)."""

from __future__ import annotations

from collections.abc import Mapping

from engine.dicom.dictionary import DATE_VRS, attributes
from engine.profile.actions import PATIENT_ID, STUDY_ID
from engine.profile.decide import Decision
from engine.profile.deviations import deviations, keeps_private
from engine.profile.model import BASIC_CODE, CLEAN_PIXELS, OPTIONS, Level, Option, Profile
from engine.profile.program import Insertion
from engine.profile.tables import table

PATIENT_IDENTITY_REMOVED = 0x00120062
DEIDENTIFICATION_METHOD = 0x00120063
DEIDENTIFICATION_METHOD_CODES = 0x00120064
LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED = 0x00280303
BURNED_IN_ANNOTATION = 0x00280301
SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018

_CODE_VALUE, _CODING_SCHEME, _CODE_MEANING = 0x00080100, 0x00080102, 0x00080104


def insertions(profile: Profile, decisions: Mapping[int, Decision]) -> list[Insertion]:
    """Attributes that the rewriter writes at the top level, in the order of tags."""
    if not profile.is_basic:
        return []
    broken = deviations(profile)
    kept = any(deviation.is_identity for deviation in broken)
    written: list[Insertion] = [
        (PATIENT_IDENTITY_REMOVED, "CS", b"NO" if kept else b"YES"),
        (DEIDENTIFICATION_METHOD, "LO", _method(profile, exceptions=len(broken))),
        (DEIDENTIFICATION_METHOD_CODES, "SQ", [_item(code) for code in applied_codes(profile)]),
        (LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED, "CS", temporal_information(decisions).encode()),
    ]
    if decisions[PATIENT_ID].top == "hash-patient":
        written.append((PATIENT_ID, "LO", "hashed-id"))
    if decisions[STUDY_ID].top == "hash-study":
        written.append((STUDY_ID, "SH", "study-id"))
    if decisions[SOP_INSTANCE_UID].top == "new-uid":
        # An object without its own SOP Common UIDs gets what its file meta says.
        written += [(SOP_CLASS_UID, "UI", "sop-class-uid"), (SOP_INSTANCE_UID, "UI", "sop-instance-uid")]
    if profile.pixels_cleaned:
        written.append((BURNED_IN_ANNOTATION, "CS", b"NO"))
    return sorted(written, key=lambda row: row[0])


def applied_codes(profile: Profile) -> list[Option]:
    """The profile and the options that were applied, as CID 7050 codes them.

    A profile whose rules keep what Basic removes has not applied Basic, and does not say so.
    """
    cleaned = [CLEAN_PIXELS] if profile.pixels_cleaned else []
    options = sorted([*cleaned, *(OPTIONS[name] for name in profile.options)], key=lambda option: option.code)
    if deviations(profile) or keeps_private(profile):
        return options
    return [BASIC_CODE, *options]


def temporal_information(decisions: Mapping[int, Decision]) -> str:
    """Value of (0028,0303): the weakest thing that happens to any date that the table lists.

    Dates of devices that their own option keeps say nothing about the patient's course, so they do not count.
    """
    actions = {
        decisions[tag].top
        for tag, row in table().tags.items()
        if "full-dates" in row.options
        and attributes()[tag].vr in DATE_VRS
        and ("device-identity" not in row.options or decisions[tag].level < Level.OPTION)
    }
    if "keep" in actions:
        return "UNMODIFIED"
    return "MODIFIED" if actions & {"shift-date", "truncate-date"} else "REMOVED"


def _method(profile: Profile, exceptions: int) -> bytes:
    """Values of LO: at most 64 characters each."""
    base = profile.base.replace("ps3.15@", "PS3.15-").replace("/", " ")
    parts = ["Penstock", f"profile {profile.name}", base, *(OPTIONS[name].name for name in profile.options)]
    if exceptions:
        parts.append(f"{exceptions} attributes kept by exception")
    return "\\".join(parts).encode("ascii")


def _item(option: Option) -> list[tuple[int, str, bytes]]:
    return [
        (_CODE_VALUE, "SH", option.code.encode()),
        (_CODING_SCHEME, "SH", b"DCM"),
        (_CODE_MEANING, "LO", option.meaning.encode()),
    ]
