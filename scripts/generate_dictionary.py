"""Writes `engine/dicom/dictionary.json`, `uid_roles.json` and `transfer_syntaxes.json`.

Facts come from pydicom's copy of PS3.6 (MIT licence). `ADDED` holds the attributes that PS3.15 Table E.1-1
(2026c) or their sequences name and that pydicom 3.0 lacks. Their VRs and VMs were read in public copies of
PS3.6: the dictionary of DCMTK's development branch (2026) and of fo-dicom; both agree. Display URI is newer
than those copies: it has the VR of its neighbour Retrieve URI (0040,E010), of which it is the display
counterpart.
"""

from __future__ import annotations

from collections.abc import Iterator

import pydicom
from pydicom.datadict import DicomDictionary, RepeatersDictionary
from pydicom.uid import UID_dictionary

ADDED: dict[int, tuple[str, str, str]] = {
    0x00081301: ("SQ", "1", "PrincipalDiagnosisCodeSequence"),
    0x00081302: ("SQ", "1", "PrimaryDiagnosisCodeSequence"),
    0x00081303: ("SQ", "1", "SecondaryDiagnosesCodeSequence"),
    0x00081304: ("SQ", "1", "HistologicalDiagnosesCodeSequence"),
    0x00100011: ("SQ", "1", "PersonNamesToUseSequence"),
    0x00100012: ("LT", "1", "NameToUse"),
    0x00100013: ("UT", "1", "NameToUseComment"),
    0x00100014: ("SQ", "1", "ThirdPersonPronounsSequence"),
    0x00100015: ("SQ", "1", "PronounCodeSequence"),
    0x00100016: ("UT", "1", "PronounComment"),
    0x00100041: ("SQ", "1", "GenderIdentitySequence"),
    0x00100042: ("UT", "1", "SexParametersForClinicalUseCategoryComment"),
    0x00100043: ("SQ", "1", "SexParametersForClinicalUseCategorySequence"),
    0x00100044: ("SQ", "1", "GenderIdentityCodeSequence"),
    0x00100045: ("UT", "1", "GenderIdentityComment"),
    0x00100046: ("SQ", "1", "SexParametersForClinicalUseCategoryCodeSequence"),
    0x00100047: ("UR", "1-n", "SexParametersForClinicalUseCategoryReference"),
    0x00102162: ("UC", "1-n", "EthnicGroups"),
    0x0040A034: ("DT", "1", "EffectiveStartDateTime"),
    0x0040A035: ("DT", "1", "EffectiveStopDateTime"),
    0x0040B030: ("SQ", "1", "StructuredWaveformAnnotationSequence"),
    0x0040B031: ("SQ", "1", "WaveformAnnotationDisplaySelectionSequence"),
    0x0040B032: ("US", "1", "ReferencedMontageIndex"),
    0x0040B033: ("SQ", "1", "WaveformTextualAnnotationSequence"),
    0x0040B034: ("DT", "1", "AnnotationDateTime"),
    0x0040B035: ("SQ", "1", "DisplayedWaveformSegmentSequence"),
    0x0040B036: ("DT", "1", "SegmentDefinitionDateTime"),
    0x0040B037: ("SQ", "1", "MontageActivationSequence"),
    0x0040B038: ("DS", "1", "MontageActivationTimeOffset"),
    0x0040B039: ("SQ", "1", "WaveformMontageSequence"),
    0x0040B03A: ("IS", "1", "ReferencedMontageChannelNumber"),
    0x0040B03B: ("LT", "1", "MontageName"),
    0x0040B03C: ("SQ", "1", "MontageChannelSequence"),
    0x0040B03D: ("US", "1", "MontageIndex"),
    0x0040B03E: ("IS", "1", "MontageChannelNumber"),
    0x0040B03F: ("LO", "1", "MontageChannelLabel"),
    0x0040B040: ("SQ", "1", "MontageChannelSourceCodeSequence"),
    0x0040B041: ("SQ", "1", "ContributingChannelSourcesSequence"),
    0x0040B042: ("FL", "1", "ChannelWeight"),
    0x0040E012: ("UR", "1", "DisplayURI"),
}

# PS3.6 gives some attributes a choice of VR that other attributes decide. The first is the one that implicit
# VR data is read with: values of 16 bits have one length whichever sign they have.
CHOICES = {"US or SS": "US", "OB or OW": "OW", "US or SS or OW": "OW", "US or OW": "OW"}

# UIDs whose value names a definition, not an object, a device, a place or a person. Everything else of VR UI
# is remapped. Implementation Class UID and its like identify software; Context Group Extension Creator UID an
# organization, so it is not here.
STRUCTURAL_WORDS = ("SOPClass", "TransferSyntax")
STRUCTURAL = frozenset({
    "ImplementationClassUID",
    "CodingSchemeUID",
    "ContextUID",
    "MappingResourceUID",
    "CreatorVersionUID",
})  # fmt: skip


def _parts() -> Iterator[tuple[int, str, str, str, bool]]:
    for tag, (vr, vm, _, retired, keyword) in DicomDictionary.items():
        if vr != "NONE":
            yield tag, vr, vm, keyword, bool(retired)
    for tag, (vr, vm, keyword) in ADDED.items():
        if tag not in DicomDictionary:
            yield tag, vr, vm, keyword, False


def rows() -> list[tuple[int, str, str, str, bool]]:
    """Rows [tag, VR, VM, keyword, retired], by tag."""
    return [
        (tag, CHOICES.get(vr, vr), vm, keyword, retired) for tag, vr, vm, keyword, retired in sorted(_parts())
    ]


def dictionary() -> dict[str, object]:
    """`rows()`, and repeating rows [mask, value, VR, VM, keyword, retired]."""
    repeating = []
    for pattern, (vr, vm, _, retired, keyword) in RepeatersDictionary.items():
        mask = int("".join("0" if c == "x" else "F" for c in pattern), 16)
        value = int(pattern.replace("x", "0"), 16)
        if pattern[:4] in ("50xx", "60xx"):
            # PS3.5 7.6: only the even groups 5000-501E and 6000-601E repeat.
            mask |= 0x00E10000
        repeating.append([mask, value, CHOICES.get(vr, vr), vm, keyword, bool(retired)])
    return {"pydicom": pydicom.__version__, "attributes": rows(), "repeating": sorted(repeating)}


def uid_roles() -> dict[str, object]:
    """Every UI attribute by keyword, in exactly one of the two lists."""
    structural: list[str] = []
    instance: list[str] = []
    for _, vr, _, keyword, _ in sorted(_parts()):
        if vr != "UI":
            continue
        is_structural = keyword in STRUCTURAL or any(word in keyword for word in STRUCTURAL_WORDS)
        (structural if is_structural else instance).append(keyword)
    return {"structural": structural, "instance": instance}


def transfer_syntaxes() -> list[list[object]]:
    """Rows [UID, keyword, retired] of PS3.6 Table A-1."""
    rows: list[list[object]] = []
    for uid, (_, kind, _, retired, keyword) in UID_dictionary.items():
        if kind == "Transfer Syntax":
            rows.append([str(uid), keyword, bool(retired)])
    return sorted(rows)
