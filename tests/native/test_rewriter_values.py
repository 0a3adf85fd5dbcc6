"""Values that are not what their attribute promises: no dates, VRs that contradict the dictionary, unknown attributes."""

from __future__ import annotations

import struct

import pytest

from engine._native.program import ACTIONS, Program
from tests.support.datasets import EXPLICIT, SYNTAXES, Element, Syntax, encode, even
from tests.support.rewriting import STUDY_ID, new_uid, program, program_of, rewrite, sample, tag_of

SHIFT = -400
IMAGES = 0x00081140


@pytest.mark.parametrize(
    "value",
    [
        b"2020",
        b"SMITH^JO",
        b"20200229^SMITH",
        b"20200229\\SMITH",
        b"20200101-20201231",
        b"20201399",
        b".....",
    ],
)
@pytest.mark.parametrize("action", ["shift-date", "truncate-date"])
def test_a_date_that_cannot_be_read_becomes_the_dummy(action: str, value: bytes) -> None:
    for vr in ("DA", "DT", "LO"):
        head = rewrite(program_of(action), [Element(tag_of(vr), vr, value)], EXPLICIT, shift_days=-1).head
        assert head == encode([Element(tag_of(vr), vr, b"DUMMY ")], EXPLICIT)


@pytest.mark.parametrize("pad", [b" ", b"\0", b"  "])
def test_padding_around_a_date_is_no_part_of_it(pad: bytes) -> None:
    value = pad + b"20200301" + pad + b"\\" + pad + b"19991231"
    head = rewrite(
        program_of("shift-date"), [Element(tag_of("DA"), "DA", value)], EXPLICIT, shift_days=-1
    ).head
    right = value.replace(b"20200301", b"20200229").replace(b"19991231", b"19991230")
    assert head == encode([Element(tag_of("DA"), "DA", even(right))], EXPLICIT)


@pytest.mark.parametrize(
    ("value", "right"), [(b"045Y", b"045Y"), (b"101Y\\003M", b"090Y\\003M "), (b"45", b"DUMMY ")]
)
def test_ages(value: bytes, right: bytes) -> None:
    head = rewrite(program_of("generalise-age"), [Element(tag_of("AS"), "AS", value)], EXPLICIT).head
    assert head == encode([Element(tag_of("AS"), "AS", right)], EXPLICIT)


# ---- what is declared and what is known ---------------------------------------------------------------------------------


def test_un_of_a_known_attribute_is_treated_by_its_known_vr() -> None:
    for action, right in (
        ("replace", b"DUMMY "),
        ("empty", b""),
        ("hash-study", STUDY_ID),
        ("shift-date", b"20190125"),
    ):
        element = Element(tag_of("DA"), "UN", b"20200229")
        head = rewrite(program_of(action), [element], EXPLICIT, shift_days=SHIFT).head
        assert head == encode([Element(tag_of("DA"), "DA", right)], EXPLICIT)
    kept = Element(tag_of("DA"), "UN", b"20200229")
    assert rewrite(program_of("keep"), [kept], EXPLICIT).head == encode([kept], EXPLICIT)


@pytest.mark.parametrize("declared", ["LT", "UT", "OB", "US", "UI"])
@pytest.mark.parametrize("action", ["keep", "recurse", "scrub", "clean-sr", "empty"])
def test_a_plain_value_in_place_of_a_sequence_is_removed(declared: str, action: str) -> None:
    plain = Element(IMAGES, declared, b"John Smith")
    assert rewrite(program({IMAGES: action}), [plain], EXPLICIT).head == b""


@pytest.mark.parametrize("known", ["US", "FD", "DS", "UI", "OW", "AT"])
@pytest.mark.parametrize("declared", ["LT", "PN", "SH", "UT", "AE"])
def test_text_in_place_of_numbers_is_removed(known: str, declared: str) -> None:
    plain = Element(tag_of(known), declared, b"John Smith")
    assert rewrite(program_of("keep"), [plain], EXPLICIT).head == b""


def test_a_rule_by_vr_decides_where_a_kept_attribute_declares_that_vr() -> None:
    keep = ACTIONS["keep"]
    rows = [(tag_of("LO"), "LO", keep, keep, 0), (tag_of("SH"), "SH", ACTIONS["hash-study"], keep, 0)]
    by_vr = {"PN": (ACTIONS["replace"], 1), "UI": (ACTIONS["new-uid"], 0), "DA": (ACTIONS["remove"], 0)}
    made = Program(rules=rows, constants=[b"", b"NOBODY"], vr_rules=by_vr)
    for vr, value, right in (
        ("PN", b"Smith^John", b"NOBODY"),
        ("UI", b"1.2.3 ", even(new_uid(b"1.2.3"), b"\0")),
        ("LT", b"text", b"text"),
    ):
        head = rewrite(made, [Element(tag_of("LO"), vr, value)], EXPLICIT).head
        assert head == encode([Element(tag_of("LO"), vr, right)], EXPLICIT)
    assert rewrite(made, [Element(tag_of("LO"), "DA", b"20200101")], EXPLICIT).head == b""
    named = rewrite(made, [Element(tag_of("SH"), "PN", b"Smith^John")], EXPLICIT).head
    assert named == encode([Element(tag_of("SH"), "PN", STUDY_ID)], EXPLICIT), "only keep is overruled"


@pytest.mark.parametrize("value", [b"SMITH^JOHN", b"1.2.3 ^x", b"1.2.a"])
def test_a_kept_uid_that_is_no_uid_is_replaced(value: bytes) -> None:
    head = rewrite(program_of("keep"), [Element(tag_of("UI"), "UI", even(value))], EXPLICIT).head
    assert head == encode([Element(tag_of("UI"), "UI", even(new_uid(value), b"\0"))], EXPLICIT)


@pytest.mark.parametrize("vr", ["DS", "IS", "US", "FD"])
def test_numeric_only_keeps_nothing_but_numbers(vr: str) -> None:
    made = program_of("numeric-only")
    assert rewrite(made, [sample(vr)], EXPLICIT).head == encode([sample(vr)], EXPLICIT)
    assert rewrite(made, [Element(tag_of(vr), vr, b"Smith")], EXPLICIT).head == b""


# ---- counts and unknown attributes ----------------------------------------------------------------------------------------


def test_each_element_is_counted_by_what_was_done_to_it() -> None:
    made = program({tag_of("LO"): "remove", tag_of("PN"): "replace", tag_of("US"): "keep"})
    elements = [
        Element(0x00090010, "LO", b"ACME"),
        Element(0x00091001, "LO", b"secret"),
        Element(0x00100000, "UL", struct.pack("<I", 10)),
        sample("LO"),
        sample("PN"),
        Element(0x00187FFE, "LO", b"unknown"),
        Element(IMAGES, "SQ", [[sample("US"), sample("LO")]]),
    ]
    counts = rewrite(made, elements, EXPLICIT).counts
    assert counts == {"private": 2, "group-length": 1, "remove": 2, "replace": 1, "unknown": 1, "keep": 2}


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_unknown_standard_attributes_go_at_every_depth(syntax: Syntax) -> None:
    unknown = Element(0x00187FFE, "LO", b"secret")
    deep = Element(IMAGES, "SQ", [[unknown]], defined=False)
    plan = rewrite(program({}), [unknown, deep], syntax)
    assert plan.head == encode([Element(IMAGES, "SQ", [[]], defined=False)], syntax)
    assert plan.counts["unknown"] == 2


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_the_same_input_gives_the_same_output(syntax: Syntax) -> None:
    elements = [Element(IMAGES, "SQ", [[sample("UI")]]), sample("UI"), sample("DA")]
    assert len({rewrite(program_of("new-uid"), elements, syntax).head for _ in range(3)}) == 1
