"""Private elements (PS3.5 7.8.1): only those on the safe list stay, and only inside the block that their creator reserved."""

from __future__ import annotations

import struct

import pytest

from tests.support.datasets import EXPLICIT, SYNTAXES, Element, Syntax, encode, read
from tests.support.rewriting import keep_all, private, program, rewrite

IMAGES = 0x00081140
SIEMENS, OTHER = b"SIEMENS MR HEADER", b"SIEMENS CSA HEADER"
every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)

SAFE = program(
    {},
    private=[
        *private(
            0x0019,
            SIEMENS,
            {0x0C: ("IS", "numeric-only"), 0x0D: ("CS", "keep"), 0x0E: ("FD", "numeric-only")},
        ),
        *private(0x0019, OTHER, {0x0C: ("LO", "keep")}),
        *private(0x0021, SIEMENS, {0x0C: ("US", "keep")}),
    ],
)


def creator(name: bytes, number: int = 0x10, group: int = 0x0019, vr: str = "LO") -> Element:
    return Element(group << 16 | number, vr, name + b" " * (len(name) & 1))


def data(low: int, vr: str, value: bytes, number: int = 0x10, group: int = 0x0019) -> Element:
    return Element(group << 16 | number << 8 | low, vr, value)


B_VALUE = data(0x0C, "IS", b"1000")
DIRECTIONALITY = data(0x0D, "CS", b"NONE")
GRADIENT = data(0x0E, "FD", struct.pack("<3d", 1, 2, 3))
UNSAFE = data(0x0F, "LO", b"Smith ")
NAME = creator(SIEMENS)


def kept(elements: list[Element], right: list[Element], syntax: Syntax = EXPLICIT) -> None:
    """At the top level, nested, and nested in sequences of undefined length."""
    assert rewrite(SAFE, elements, syntax).head == encode(right, syntax)
    for defined in (True, False):
        head = rewrite(SAFE, [Element(IMAGES, "SQ", [elements, []], defined=defined)], syntax).head
        assert head == encode([Element(IMAGES, "SQ", [right, []], defined=defined)], syntax)


@every_syntax
def test_safe_elements_stay_with_their_creator_and_the_others_go(syntax: Syntax) -> None:
    kept([NAME, B_VALUE, DIRECTIONALITY, GRADIENT, UNSAFE], [NAME, B_VALUE, DIRECTIONALITY, GRADIENT], syntax)
    head = rewrite(SAFE, [NAME, B_VALUE, UNSAFE], syntax).head
    assert read(head, syntax).private_block(0x0019, SIEMENS.decode())[0x0C].value == 1000


@every_syntax
def test_a_creator_without_a_kept_element_vanishes(syntax: Syntax) -> None:
    behind = Element(0x00400002, "DA", b"20200101")
    kept([NAME, UNSAFE, behind], [behind], syntax)
    kept([NAME], [], syntax)
    kept([NAME, creator(OTHER, 0x11), creator(b"NOBODY", 0x12), B_VALUE], [NAME, B_VALUE], syntax)
    kept(
        [NAME, creator(OTHER, 0x11), data(0x0C, "LO", b"kept", 0x11)],
        [creator(OTHER, 0x11), data(0x0C, "LO", b"kept", 0x11)],
        syntax,
    )


def test_two_blocks_of_one_group_are_told_apart() -> None:
    second = [data(0x0C, "LO", b"text", 0x11), data(0x0D, "CS", b"NONE", 0x11)]
    kept(
        [NAME, creator(OTHER, 0x11), B_VALUE, *second],
        [NAME, creator(OTHER, 0x11), B_VALUE, second[0]],
    )


def test_any_block_number_will_do() -> None:
    for number in (0x10, 0x42, 0xFF):
        value = data(0x0C, "IS", b"1000", number)
        kept([creator(SIEMENS, number), value], [creator(SIEMENS, number), value])


def test_padding_around_a_creator_is_no_part_of_it() -> None:
    for padded in (SIEMENS + b"\0", b" " + SIEMENS, SIEMENS + b"   "):
        kept([Element(0x00190010, "LO", padded), B_VALUE], [NAME, B_VALUE])


WRONG = {
    "an orphan": [B_VALUE],
    "another creator": [creator(b"ACME 1.1"), B_VALUE],
    "a creator that the list knows for another group": [
        creator(SIEMENS, group=0x0023),
        data(0x0C, "US", b"\1\0", group=0x0023),
    ],
    "a creator of another block": [creator(SIEMENS, 0x11), B_VALUE],
    "a creator in lower case": [creator(SIEMENS.lower()), B_VALUE],
    "the beginning of a creator": [creator(SIEMENS[:-1]), B_VALUE],
    "more than a creator": [creator(SIEMENS + b"S"), B_VALUE],
    "a creator behind its element": [B_VALUE, NAME],
    "a creator that is no text": [creator(SIEMENS, vr="UN"), B_VALUE],
    "a creator of another group": [creator(SIEMENS, group=0x0021), B_VALUE],
    "a block reserved twice": [NAME, creator(b"ACME"), B_VALUE],
    "elements below the blocks": [NAME, Element(0x0019000C, "IS", b"1000"), Element(0x0019010C, "IS", b"1")],
    "the group's length": [Element(0x00190000, "UL", bytes(4))],
    "a group left and entered again": [NAME, Element(0x00200013, "IS", b"1 "), B_VALUE],
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_in_its_own_block_goes(what: str) -> None:
    kept(WRONG[what], [element for element in WRONG[what] if not element.tag >> 16 & 1])


@pytest.mark.parametrize("vr", ["UN", "SH", "LT", "OB"])
def test_a_block_reserved_twice_is_nobodys_whatever_vr_the_second_creator_has(vr: str) -> None:
    kept([NAME, creator(b"ACME", vr=vr), B_VALUE], [])


def test_a_block_of_a_sequence_does_not_hold_inside_its_items_nor_behind_it() -> None:
    inside = Element(IMAGES, "SQ", [[NAME, B_VALUE], [B_VALUE]])
    kept([inside, B_VALUE], [Element(IMAGES, "SQ", [[NAME, B_VALUE], []])])
    later = Element(0x00400275, "SQ", [[B_VALUE]])
    kept([NAME, B_VALUE, later], [NAME, B_VALUE, Element(0x00400275, "SQ", [[]])])


@pytest.mark.parametrize(
    "element",
    [
        data(0x0C, "LO", b"1000"),
        data(0x0C, "OB", b"\1\2"),
        data(0x0C, "UI", b"1.2 "),
        Element(0x0019100C, "SQ", [[]]),
        Element(0x0019100C, "SQ", [[Element(0x00100010, "PN", b"Smith")]], defined=False),
    ],
)
def test_numeric_only_elements_must_have_a_vr_of_numbers(element: Element) -> None:
    kept([NAME, element], [])


NO_NUMBERS = [
    data(0x0C, "IS", b"Smith "),
    data(0x0C, "DS", b"1970-Jan"),
    data(0x0C, "UN", b"Smith "),
    data(0x0E, "FD", bytes(7)),
]


@pytest.mark.parametrize("element", NO_NUMBERS)
def test_numeric_only_elements_must_be_numbers(element: Element) -> None:
    kept([NAME, element, DIRECTIONALITY], [NAME, DIRECTIONALITY])


@pytest.mark.parametrize("element", NO_NUMBERS)
def test_a_creator_vanishes_with_the_value_that_was_no_number(element: Element) -> None:
    kept([NAME, element], [])


def test_un_of_a_safe_element_is_what_the_list_says() -> None:
    number = data(0x0C, "UN", b"1000")
    kept([NAME, number], [NAME, number])


def test_private_sequences_go_with_all_that_is_in_them() -> None:
    secret = Element(0x00100010, "PN", b"Smith^John")
    for defined in (True, False):
        kept([NAME, Element(0x00191001, "SQ", [[secret]], defined=defined), B_VALUE], [NAME, B_VALUE])
        kept([Element(0x00191001, "UN", [[secret]], defined=defined)], [])


def test_more_reservations_than_a_group_has_blocks_are_not_followed() -> None:
    kept([NAME] * 256 + [B_VALUE], [NAME, B_VALUE])
    kept([NAME] * 257 + [B_VALUE], [])
    kept([NAME] * 5000 + [B_VALUE], [])


def test_a_group_may_use_all_its_blocks() -> None:
    names = [creator(SIEMENS, number) for number in range(0x10, 0x100)]
    values = [data(0x0C, "IS", b"10", number) for number in range(0x10, 0x100)]
    kept([*names, *values], [*names, *values])


def test_nothing_private_is_looked_at_where_a_profile_keeps_it() -> None:
    elements = [
        creator(b"ACME"),
        UNSAFE,
        Element(0x00290000, "UL", bytes(4)),
        Element(0x00291001, "SQ", [[UNSAFE]]),
    ]
    assert rewrite(keep_all(), elements, EXPLICIT).head == encode(elements, EXPLICIT)


@pytest.mark.parametrize("mode", ["scrub", "clean-sr"])
def test_scrubbed_and_cleaned_sequences_keep_nothing_private(mode: str) -> None:
    rows = private(0x0019, SIEMENS, {0x0C: ("IS", "keep")})
    made = program({IMAGES: mode}, private=rows)
    head = rewrite(made, [Element(IMAGES, "SQ", [[NAME, B_VALUE]])], EXPLICIT).head
    assert head == encode([Element(IMAGES, "SQ", [[]])], EXPLICIT)


def test_what_was_removed_is_counted() -> None:
    plan = rewrite(SAFE, [NAME, B_VALUE, UNSAFE, creator(OTHER, 0x11, 0x0029)], EXPLICIT)
    assert plan.counts == {"private": 2, "numeric-only": 1}
