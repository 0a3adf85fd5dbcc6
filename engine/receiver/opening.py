"""A look at the first bytes of a data set, to see whether it is what its command said. No decoding: a few
headers of group 0008."""

from __future__ import annotations

import struct

from engine.dicom.transfer_syntaxes import transfer_syntaxes

LOOK = 1024
_LONG = frozenset({b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV"})
_UNDEFINED = 0xFFFFFFFF
CLASS, INSTANCE = 0x0016, 0x0018


def sop_uids(start: bytes, transfer_syntax: str) -> tuple[str | None, str | None]:
    """SOP Class UID (0008,0016) and SOP Instance UID (0008,0018) in the first bytes of a data set; None for
    what cannot be told from them: deflated, absent, or behind something long. The worker looks again, at
    all of it."""
    syntax = transfer_syntaxes().get(transfer_syntax)
    if syntax is not None and syntax.deflated:
        return None, None
    # One that the tables do not know is a compression, see `negotiation.is_readable`.
    order = "<" if syntax is None or syntax.little else ">"
    explicit = syntax is None or syntax.explicit
    found: dict[int, str] = {}
    at = 0
    while at + 12 <= len(start):
        group, element = struct.unpack_from(order + "HH", start, at)
        if group > 0x0008 or element > INSTANCE:
            break
        length, body = _length(start, at, order, explicit=explicit)
        if length == _UNDEFINED or body + length > len(start):
            break
        if group == 0x0008 and element in (CLASS, INSTANCE):
            found[element] = start[body : body + length].rstrip(b"\0 ").decode("ascii", "replace")
        at = body + length
    return found.get(CLASS), found.get(INSTANCE)


def _length(start: bytes, at: int, order: str, *, explicit: bool) -> tuple[int, int]:
    if not explicit:
        return int(struct.unpack_from(order + "I", start, at + 4)[0]), at + 8
    if start[at + 4 : at + 6] in _LONG:
        return int(struct.unpack_from(order + "I", start, at + 8)[0]), at + 12
    return int(struct.unpack_from(order + "H", start, at + 6)[0]), at + 8
