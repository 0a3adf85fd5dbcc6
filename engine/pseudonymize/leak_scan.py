"""What a hit of the leak scan means: a leak, or a number that happens to look like an identifier (design: rule 15)."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache

from engine._native.program import Program
from engine._native.reader import Refused, walk
from engine.dicom.dictionary import attributes
from engine.errors import Refusal
from engine.pseudonymize.cleaning import vocabulary

NUMBERS = frozenset(
    {"US", "SS", "UL", "SL", "SV", "UV", "FL", "FD", "OF", "OD", "OL", "OV", "AT", "DS", "IS"}
)
"""VRs whose values are numbers: a Patient ID of four digits equals many of them by chance."""

TIMES = frozenset({"DA", "DT", "TM", "AS"})
"""VRs that the profile's date rule has already dealt with; a newborn's birth date is its study date."""

CODE_NAMES = frozenset({0x00080102, 0x00080103, 0x00080105})
"""Coding Scheme Designator and Version, Mapping Resource: registered names of dictionaries, whatever a patient is called."""

INSERTED = 2
"""Mark of attributes that the profile writes itself (program.pxd)."""

_BINARY = frozenset({"OB", "OW", "UN"})
_BINARY_SIZE = 6
_LONG_NUMBER = 7


@cache
def _sequences() -> frozenset[int]:
    """Tags that the dictionary knows as SQ: implicit VR does not tell."""
    return frozenset(tag for tag, attribute in attributes().items() if attribute.vr == "SQ")


def judge(head: bytes, syntax: int, hits: list[tuple[int, int, bool]], program: Program) -> None:
    """Refuses the object if any hit, as (offset in `head`, length in bytes, is it a UID), stands where it can name the
    patient. `head` is the new data set up to its body.

    Raises Refusal `leak` with the tag of the element; what was found is not told.
    """
    try:
        elements = walk(head, 0, syntax, _sequences())
    except Refused as refused:
        raise Refusal(
            "leak", "an original identifier stands in a head that cannot be read back", offset=refused.offset
        ) from None
    starts = [element[0] for element in elements]
    for offset, length, is_uid in hits:
        _, tag, vr, _, depth, value = elements[max(0, bisect_right(starts, offset) - 1)]
        rule = program.explain(tag)
        if depth == 0 and rule and int(rule["marks"]) & INSERTED:
            continue  # the profile's own words, whatever a patient is called
        if not vr:
            vr = str(rule["vr"]) if rule else "UN"
        if offset < value or _is_leak(tag, vr, head[offset : offset + length], is_uid):
            raise Refusal("leak", "an original identifier of this patient stands in the new head", tag=tag)


def _is_leak(tag: int, vr: str, found: bytes, is_uid: bool) -> bool:
    if is_uid:
        return True
    has_letters = any(65 <= byte <= 90 or 97 <= byte <= 122 or byte > 127 for byte in found)
    if vr in NUMBERS:
        if has_letters:
            return vr in ("DS", "IS") or len(found) >= _BINARY_SIZE
        return vr == "IS" and len(found) >= _LONG_NUMBER
    if vr in TIMES or vr == "UI":
        return False
    if tag in CODE_NAMES:
        return any(48 <= byte <= 57 for byte in found)
    if vr == "CS":
        # HEAD is a body part and a name; a code with digits, or no word of imaging, names somebody.
        return found.decode("latin-1").lower() not in vocabulary()
    return vr not in _BINARY or len(found) >= _BINARY_SIZE
