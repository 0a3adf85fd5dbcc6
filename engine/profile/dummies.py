"""Dummy values, one for each VR (PS3.15 E.1.1: a value that is not of zero length and consistent with the
VR).

They are the same for every patient, so they carry nothing. Numbers are little endian; the rewriter swaps them
where the output is big endian. None is padded: the rewriter pads by VR.
"""

from __future__ import annotations

import struct

from engine.errors import ConfigError

DUMMIES: dict[str, bytes] = {
    "AE": b"REMOVED",
    "AS": b"030Y",
    "AT": struct.pack("<HH", 0, 0),
    "CS": b"REMOVED",
    "DA": b"19000101",
    "DS": b"0",
    "DT": b"19000101000000",
    "FD": struct.pack("<d", 0.0),
    "FL": struct.pack("<f", 0.0),
    "IS": b"0",
    "LO": b"REMOVED",
    "LT": b"REMOVED",
    "OB": b"\0\0",
    "OD": bytes(8),
    "OF": bytes(4),
    "OL": bytes(4),
    "OV": bytes(8),
    "OW": b"\0\0",
    "PN": b"REMOVED",
    "SH": b"REMOVED",
    "SL": bytes(4),
    "SS": bytes(2),
    "ST": b"REMOVED",
    "SV": bytes(8),
    "TM": b"000000",
    "SQ": b"",
    "UC": b"REMOVED",
    "UI": b"",
    "UL": bytes(4),
    "UN": b"\0\0",
    "UR": b"about:blank",
    "US": bytes(2),
    "UT": b"REMOVED",
    "UV": bytes(8),
}

# Where a VR's dummy is none of the attribute's enumerated values: (0400,0565) knows COERCE and CORRECT (PS3.3
# C.12.1.1.9).
DUMMY_BY_TAG: dict[int, bytes] = {0x04000565: b"COERCE"}

_NUMBERS = {"US": "<H", "SS": "<h", "UL": "<I", "SL": "<i", "FL": "<f", "FD": "<d"}
_LENGTHS = {
    "AE": 16,
    "AS": 4,
    "CS": 16,
    "DA": 8,
    "DS": 16,
    "DT": 26,
    "IS": 12,
    "LO": 64,
    "PN": 64,
    "SH": 16,
    "TM": 14,
    "UI": 64,
}


def encode(vr: str, value: object) -> bytes:
    """`value` of a profile's `replace` as bytes of this VR.

    Raises ConfigError where the VR cannot hold it: the wrong kind, too long, or not ASCII (a constant has no
    character set).
    """
    if vr in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError("profile-value", f"VR {vr} takes a number")
        try:
            return struct.pack(_NUMBERS[vr], value if vr in ("FL", "FD") else _whole(vr, value))
        except (struct.error, OverflowError) as error:
            raise ConfigError("profile-value", f"{value} does not fit into VR {vr}") from error
    if not isinstance(value, str):
        raise ConfigError("profile-value", f"VR {vr} takes a string")
    if not value.isascii() or not value.isprintable():
        raise ConfigError("profile-value", "a replacement is written in printable ASCII")
    longest = max(len(part) for part in value.split("\\"))
    if longest > _LENGTHS.get(vr, longest):
        raise ConfigError(
            "profile-value", f"{longest} characters are more than the {_LENGTHS[vr]} of VR {vr}"
        )
    return value.encode("ascii")


def _whole(vr: str, value: float) -> int:
    if value != int(value):
        raise ConfigError("profile-value", f"VR {vr} takes a whole number")
    return int(value)


def _pdf() -> bytes:
    """The smallest PDF that readers open: one empty page."""
    bodies = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
    )
    out = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, start)
    return bytes(out)


# What an Encapsulated Document (0042,0011) becomes: empty, and of the kind that its SOP class says (PS3.3 A.45, A.85).
DOCUMENT = _pdf()
DOCUMENTS: dict[str, bytes] = {
    "1.2.840.10008.5.1.4.1.1.104.2": b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>',
    "1.2.840.10008.5.1.4.1.1.104.3": b"solid removed\nendsolid removed\n",
    "1.2.840.10008.5.1.4.1.1.104.4": b"# removed\n",
    "1.2.840.10008.5.1.4.1.1.104.5": b"# removed\n",
}
