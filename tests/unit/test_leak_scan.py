"""What a hit of the leak scan means depends on where it stands: a name in a text is a leak, a head in a code is a head."""

from __future__ import annotations

import struct

import pytest

from engine.errors import Refusal
from engine.profile import compiled
from engine.pseudonymize.leak_scan import judge
from tests.support.datasets import BIG, EXPLICIT, IMPLICIT, Element, Syntax, encode, even

SYNTAXES = pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG], ids=lambda syntax: syntax.name)
MODEL, IMAGE_TYPE, SPACING, NUMBER, PROFILE, TIME, METHOD, SCHEME, HOLDER, ROWS, PARTS = (
    0x00081090,
    0x00080008,
    0x00280030,
    0x00200012,
    0x00282000,
    0x00080031,
    0x00120063,
    0x00080102,
    0x00540016,
    0x00280010,
    0x00181060,
)


def judged(element: Element, found: bytes, syntax: Syntax, *, is_uid: bool = False) -> Refusal | None:
    """What is made of `found` in a head with this element."""
    before, behind = Element(0x00080005, "CS", b"ISO_IR 100"), Element(0x00700080, "CS", b"END ")
    head = encode([before, element, behind], syntax)
    hit = (head.index(found), len(found), is_uid)
    try:
        judge(head, syntax.bits, [hit], compiled("default").program)
    except Refusal as refusal:
        return refusal
    return None


def value(tag: int, vr: str, text: bytes) -> Element:
    return Element(tag, vr, even(text))


LEAKS = {
    "a name in a text": (value(MODEL, "LO", b"for Smithson"), b"Smithson"),
    "a name that is a word of anatomy, in a text": (value(MODEL, "LO", b"for Hand"), b"Hand"),
    "an ID in a text": (value(MODEL, "LO", b"MRN 4711"), b"4711"),
    "an ID in a code": (value(IMAGE_TYPE, "CS", b"ORIGINAL\\MRN4711"), b"MRN4711"),
    "a name in a code": (value(IMAGE_TYPE, "CS", b"ORIGINAL\\SMITHSON"), b"SMITHSON"),
    "a long identifier in bytes": (value(PROFILE, "OB", b"\0\1Smithson"), b"Smithson"),
    "a long number in a whole number": (value(NUMBER, "IS", b"73119264"), b"73119264"),
    "letters in a decimal": (value(SPACING, "DS", b"Smithson"), b"Smithson"),
}
HARMLESS = {
    "a word of anatomy in a code": (value(IMAGE_TYPE, "CS", b"ORIGINAL\\HEAD"), b"HEAD"),
    "a short number in a decimal": (value(SPACING, "DS", b"0.4711\\0.4711"), b"4711"),
    "a short number in a whole number": (value(NUMBER, "IS", b"4711"), b"4711"),
    "short bytes": (value(PROFILE, "OB", b"\0\1HEAD\2\3"), b"HEAD"),
    "a coding scheme": (value(SCHEME, "SH", b"NCIt"), b"NCIt"),
    "what the profile writes itself": (value(METHOD, "LO", b"Penstock\\profile Smith"), b"Smith"),
}


@SYNTAXES
@pytest.mark.parametrize(("element", "found"), LEAKS.values(), ids=LEAKS)
def test_an_identifier_is_a_leak_where_it_can_name_somebody(
    element: Element, found: bytes, syntax: Syntax
) -> None:
    refusal = judged(element, found, syntax)
    assert refusal is not None
    assert (refusal.code, refusal.tag) == ("leak", element.tag)
    assert found.decode() not in f"{refusal} {refusal.hint}"


@SYNTAXES
@pytest.mark.parametrize(("element", "found"), HARMLESS.values(), ids=HARMLESS)
def test_it_is_none_where_others_have_the_same_word_or_number(
    element: Element, found: bytes, syntax: Syntax
) -> None:
    assert judged(element, found, syntax) is None


@SYNTAXES
def test_a_uid_is_a_leak_wherever_it_stands(syntax: Syntax) -> None:
    for vr, tag in (("UI", 0x0020000D), ("IS", NUMBER), ("CS", IMAGE_TYPE), ("OB", PROFILE), ("TM", TIME)):
        refusal = judged(value(tag, vr, b"1.2.3.456789"), b"1.2.3.456789", syntax, is_uid=True)
        assert refusal is not None
        assert refusal.tag == tag


@SYNTAXES
@pytest.mark.parametrize("defined", [True, False])
def test_items_are_judged_by_what_stands_in_them(syntax: Syntax, defined: bool) -> None:
    def holder(inner: Element) -> Element:
        return Element(HOLDER, "SQ", [[inner]], defined=defined, items_defined=defined)

    assert judged(holder(value(SPACING, "DS", b"0.4711")), b"4711", syntax) is None
    refusal = judged(holder(value(MODEL, "LO", b"of Smithson")), b"Smithson", syntax)
    assert refusal is not None
    assert refusal.tag == MODEL
    # The profile writes its own words at the top level only.
    assert judged(holder(value(METHOD, "LO", b"of Smithson")), b"Smithson", syntax) is not None


@SYNTAXES
def test_a_hit_across_a_header_is_a_leak(syntax: Syntax) -> None:
    """Nobody knows what it is then, and so it does not pass."""
    head = encode([Element(ROWS, "US", struct.pack("<H", 6)), Element(PARTS, "DS", b"12")], syntax)
    with pytest.raises(Refusal) as refused:
        judge(head, syntax.bits, [(1, 8, False)], compiled("default").program)
    assert refused.value.code == "leak"


def test_one_leak_among_harmless_hits_is_enough() -> None:
    head = encode([value(0x00080070, "LO", b"of Smithson"), value(SPACING, "DS", b"0.4711")], EXPLICIT)
    harmless = (head.index(b"4711"), 4, False)
    program = compiled("default").program
    judge(head, EXPLICIT.bits, [harmless] * 50, program)
    with pytest.raises(Refusal):
        judge(head, EXPLICIT.bits, [harmless] * 50 + [(head.index(b"Smithson"), 8, False)], program)


def test_a_head_that_cannot_be_read_back_is_a_leak() -> None:
    head = encode([Element(0x00080070, "LO", b"ACME", length=500)], EXPLICIT)
    with pytest.raises(Refusal) as refused:
        judge(head, EXPLICIT.bits, [(head.index(b"ACME"), 4, False)], compiled("default").program)
    assert refused.value.code == "leak"
    assert refused.value.offset is not None
