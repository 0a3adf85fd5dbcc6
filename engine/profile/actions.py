"""What can happen to an attribute, and which VRs each action can be asked of.

`CODES` is what the native rewriter calls `ACTIONS`; a test holds the two equal.
"""

from __future__ import annotations

from engine.dicom.dictionary import DATE_VRS, TEXT_VRS

CODES: dict[str, int] = {
    "remove": 0,
    "keep": 1,
    "empty": 2,
    "replace": 3,
    "new-uid": 4,
    "hash-patient": 5,
    "hash-accession": 6,
    "hash-study": 7,
    "recurse": 8,
    "scrub": 9,
    "shift-date": 10,
    "truncate-date": 11,
    "generalise-age": 12,
    "clean-text": 13,
    "numeric-only": 14,
    "quarantine": 15,
    "refuse": 16,
    "hashed-name": 17,
    "replace-document": 18,
    "clean-code": 19,
    "clean-sr": 20,
    "compound": 21,
}

PATIENT_ID = 0x00100020
PATIENT_NAME = 0x00100010
ACCESSION_NUMBER = 0x00080050
STUDY_ID = 0x00200010
ENCAPSULATED_DOCUMENT = 0x00420011

# What "hash" means for an attribute, and the only attributes that it can be asked of.
HASHES = {
    PATIENT_ID: "hash-patient",
    PATIENT_NAME: "hashed-name",
    ACCESSION_NUMBER: "hash-accession",
    STUDY_ID: "hash-study",
}
# A nested name or study ID may belong to another patient or study: the object's own hash there would be a
# lie.
NESTED_HASHES = {PATIENT_NAME: "empty", STUDY_ID: "empty"}

_SEQUENCE = frozenset({"SQ"})
_CLEANABLE = TEXT_VRS - {"AS", "PN", "UR"}

# Action of a profile -> the VRs that can take it; None: every VR.
ADMISSIBLE: dict[str, frozenset[str] | None] = {
    "keep": None,
    "remove": None,
    "empty": None,
    "dummy": None,
    "quarantine": None,
    "refuse": None,
    "replace": TEXT_VRS | DATE_VRS | {"CS", "DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "UI"},
    "hash": frozenset(),
    "new-uid": frozenset({"UI"}),
    "shift-date": DATE_VRS,
    "truncate-date": frozenset({"DA", "DT"}),
    "generalise-age": frozenset({"AS"}),
    "clean-text": _CLEANABLE,
    "clean-code": frozenset({"SQ", "CS"}),
    "clean-sr": _SEQUENCE,
    "recurse": _SEQUENCE,
    "scrub": _SEQUENCE,
    "replace-document": frozenset({"OB"}),
    "numeric-only": frozenset({"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD"}),
}


def is_admissible(action: str, tag: int | None, vr: str) -> bool:
    """Whether `action`, as a profile names it, can be asked of an attribute of this VR."""
    if action == "hash":
        return tag in HASHES
    if action == "replace-document":
        return tag == ENCAPSULATED_DOCUMENT
    vrs = ADMISSIBLE[action]
    return vrs is None or vr in vrs
