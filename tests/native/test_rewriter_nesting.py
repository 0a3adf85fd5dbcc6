"""Sequences in a rewrite: lengths made anew from the inside out, delimiters, depth, what reaches too far."""

from __future__ import annotations

import resource
from itertools import product

import pytest

from engine._native.program import ACTIONS, Program
from tests.support.datasets import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    SYNTAXES,
    UNDEFINED,
    Element,
    Syntax,
    encode,
    exact,
    header,
    item,
    nested,
    read,
)
from tests.support.outcomes import refused
from tests.support.rewriting import keep_all, program, rewrite

ACCESSION, MODALITY, DESCRIPTION, IMAGES, STUDIES = 0x00080050, 0x00080060, 0x00081030, 0x00081140, 0x00081110
CT = Element(MODALITY, "CS", b"CT")
SECRET = Element(DESCRIPTION, "LO", b"Smith")
every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)

GROWING = program({DESCRIPTION: "replace", ACCESSION: "remove"}, {DESCRIPTION: b"something longer"})
LONGER = Element(DESCRIPTION, "LO", b"something longer")


@every_syntax
def test_lengths_are_made_anew_from_the_inside_out(syntax: Syntax) -> None:
    forms = list(product((True, False), repeat=2))
    for (outer, outer_items), (inner, inner_items) in product(forms, forms):

        def tree(
            text: list[Element],
            *,
            outer: bool = outer,
            outer_items: bool = outer_items,
            inner: bool = inner,
            inner_items: bool = inner_items,
        ) -> list[Element]:
            deep = Element(IMAGES, "SQ", [text, [], [CT, *text]], defined=inner, items_defined=inner_items)
            top = Element(STUDIES, "SQ", [[CT, deep], text], defined=outer, items_defined=outer_items)
            return [top, deep, CT]

        gone = [Element(ACCESSION, "SH", b"A-1 "), SECRET]
        head = rewrite(GROWING, tree(gone), syntax).head
        assert head == encode(tree([LONGER]), syntax)
        assert len(list(read(head, syntax).iterall())) == 12


@every_syntax
def test_64_levels_pass_and_65_are_refused(syntax: Syntax) -> None:
    for defined in (True, False):
        tree = nested(64, [SECRET], defined=defined)
        assert rewrite(GROWING, [tree], syntax).head == encode(
            [nested(64, [LONGER], defined=defined)], syntax
        )
        assert refused(rewrite, GROWING, [nested(65, [SECRET], defined=defined)], syntax).code == "too-deep"


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG], ids=lambda syntax: syntax.name)
def test_64_levels_of_un_pass_and_65_are_refused(syntax: Syntax) -> None:
    inner = encode([nested(63, [SECRET])], IMPLICIT)
    outer = header(IMAGES, "UN", len(inner) + 8, syntax) + item(inner, IMPLICIT)
    right = encode([nested(63, [LONGER])], IMPLICIT)
    assert rewrite(GROWING, outer, syntax).head == header(IMAGES, "UN", len(right) + 8, syntax) + item(
        right, IMPLICIT
    )
    inner = encode([nested(64, [SECRET])], IMPLICIT)
    outer = header(IMAGES, "UN", len(inner) + 8, syntax) + item(inner, IMPLICIT)
    assert refused(rewrite, GROWING, outer, syntax).code == "too-deep"


@every_syntax
@pytest.mark.parametrize("levels", [100_000, 1_000_000])
@pytest.mark.parametrize("action", ["keep", "remove", "empty"])
def test_a_nesting_bomb_is_refused_and_costs_no_memory(syntax: Syntax, levels: int, action: str) -> None:
    made = program({IMAGES: action})
    rewrite(made, [CT], syntax)
    bomb = (header(IMAGES, "SQ", UNDEFINED, syntax) + header(ITEM, "", UNDEFINED, syntax)) * levels
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(rewrite, made, bomb, syntax).code == "too-deep"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024


@every_syntax
def test_a_removed_sequence_is_passed_whatever_its_form(syntax: Syntax) -> None:
    made = program({IMAGES: "remove"})
    for defined, items_defined in product((True, False), repeat=2):
        tree = Element(
            IMAGES, "SQ", [[CT], [], [nested(3, [SECRET])]], defined=defined, items_defined=items_defined
        )
        assert rewrite(made, [CT, tree, Element(STUDIES, "SQ", [[CT]])], syntax).head == encode(
            [CT, Element(STUDIES, "SQ", [[CT]])], syntax
        )
        assert rewrite(made, [tree], syntax).head == b"", "nothing follows it"


@every_syntax
def test_an_emptied_sequence_has_no_item(syntax: Syntax) -> None:
    for defined in (True, False):
        tree = Element(IMAGES, "SQ", [[SECRET]], defined=defined)
        head = rewrite(program({IMAGES: "empty"}), [tree, CT], syntax).head
        assert head == encode([Element(IMAGES, "SQ", []), CT], syntax)


def test_un_that_should_be_a_sequence_and_is_none_is_removed() -> None:
    for value in (b"John Smith, London", bytes(8), b"\xfe\xff\x00\xe1\0\0\0\0"):
        assert rewrite(keep_all(), [Element(IMAGES, "UN", value), CT], EXPLICIT).head == encode(
            [CT], EXPLICIT
        )


@every_syntax
@pytest.mark.parametrize(
    ("length", "code"), [(-1, "overrun"), (1, "truncated"), (2, "truncated"), (0xFFFFFFFE, "truncated")]
)
def test_a_sequence_whose_length_lies_is_refused(syntax: Syntax, length: int, code: str) -> None:
    right = len(item(encode([CT], syntax), syntax))
    tree = Element(IMAGES, "SQ", [[CT]], length=right + length if length < 100 else length)
    assert refused(rewrite, keep_all(), [CT, tree], syntax).code == code


LAST = encode([Element(ACCESSION, "UT", b"abcd", length=5)], EXPLICIT)
NONSENSE = {
    "an item longer than its sequence": (header(ITEM, "", 99, EXPLICIT) + bytes(12), "overrun"),
    "an element longer than its item": (item(LAST, EXPLICIT), "overrun"),
    "no item at all": (encode([CT], EXPLICIT), "item-expected"),
    "an item's end in place of an item": (header(ITEM_END, "", 0, EXPLICIT), "item-expected"),
    "a sequence's end inside a sequence of defined length": (
        header(SEQUENCE_END, "", 0, EXPLICIT),
        "item-expected",
    ),
    "an item inside an item": (item(item(b"", EXPLICIT), EXPLICIT), "stray-delimiter"),
    "an item's end inside an item of defined length": (
        item(header(ITEM_END, "", 0, EXPLICIT), EXPLICIT),
        "stray-delimiter",
    ),
    "an item of undefined length without its end": (header(ITEM, "", UNDEFINED, EXPLICIT), "truncated"),
    "half an item's header": (header(ITEM, "", 0, EXPLICIT)[:4], "truncated"),
    "half an element's header": (item(encode([CT], EXPLICIT)[:7], EXPLICIT), "truncated"),
    "no VR": (item(b"\x08\0\x60\0??\2\0CT", EXPLICIT), "bad-vr"),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_inside_a_sequence_is_refused(what: str) -> None:
    content, code = NONSENSE[what]
    data = header(IMAGES, "SQ", len(content), EXPLICIT) + content + encode([CT], EXPLICIT)
    problem = refused(rewrite, keep_all(), exact(data).tobytes(), EXPLICIT)
    assert problem.code == code
    assert problem.offset <= len(data)


@pytest.mark.parametrize("vr", ["OD", "OF", "OL", "OV", "UC", "UR", "UT", "SV", "UV"])
def test_undefined_length_where_no_sequence_can_be_is_refused(vr: str) -> None:
    tree = Element(DESCRIPTION, vr, [[CT]], defined=False)
    assert refused(rewrite, keep_all(), [tree], EXPLICIT).code == "item-expected"


def test_a_delimiter_behind_the_data_set_is_left_out() -> None:
    for tag in (ITEM_END, SEQUENCE_END):
        plan = rewrite(keep_all(), encode([CT], EXPLICIT) + header(tag, "", 0, EXPLICIT), EXPLICIT)
        assert (plan.head, plan.counts["trailing-bytes"]) == (encode([CT], EXPLICIT), 1)
    problem = refused(rewrite, keep_all(), header(ITEM, "", 8, EXPLICIT) + bytes(8), EXPLICIT)
    assert problem.code == "stray-delimiter"


def test_fewer_bytes_than_a_header_behind_the_data_set_are_left_out() -> None:
    for size in range(1, 8):
        plan = rewrite(keep_all(), encode([CT], EXPLICIT) + b"SMITHSM"[:size], EXPLICIT)
        assert (plan.head, plan.counts["trailing-bytes"]) == (encode([CT], EXPLICIT), 1)


@every_syntax
def test_encapsulated_pixel_data_in_an_icon_is_kept_or_goes_as_a_whole(syntax: Syntax) -> None:
    pixels = Element(0x7FE00010, "OB", fragments=(b"", b"\xff\xd8abcd", b"odd"))
    icon = Element(0x00880200, "SQ", [[CT, pixels]], defined=False)
    assert rewrite(keep_all(), [icon, CT], syntax).head == encode([icon, CT], syntax)
    gone = rewrite(program({0x7FE00010: "remove"}), [icon, CT], syntax).head
    assert gone == encode([Element(0x00880200, "SQ", [[CT]], defined=False), CT], syntax)


@pytest.mark.parametrize("bad", [header(ITEM, "", UNDEFINED, EXPLICIT), header(ITEM_END, "", 0, EXPLICIT)])
def test_fragments_that_make_no_sense_are_refused(bad: bytes) -> None:
    for action in ("keep", "remove"):
        pixels = header(0x7FE00010, "OB", UNDEFINED, EXPLICIT) + bad + header(SEQUENCE_END, "", 0, EXPLICIT)
        data = header(IMAGES, "SQ", UNDEFINED, EXPLICIT) + item(pixels, EXPLICIT, defined=False)
        data += header(SEQUENCE_END, "", 0, EXPLICIT)
        assert refused(rewrite, program({0x7FE00010: action}), data, EXPLICIT).code == "item-expected"


# ---- rules at a path ----------------------------------------------------------------------------------------------------


PHARMACEUTICAL, START, STOP = 0x00540016, 0x00181078, 0x00181079


@every_syntax
def test_a_rule_at_a_path_holds_there_and_nowhere_else(syntax: Syntax) -> None:
    made = program(
        {START: "remove", STOP: "remove"},
        {},
        paths=[((PHARMACEUTICAL, START), ACTIONS["keep"], 0), ((STUDIES, IMAGES, STOP), ACTIONS["empty"], 0)],
    )
    start, stop = Element(START, "DT", b"20200101"), Element(STOP, "DT", b"20200102")
    elements = [
        Element(STUDIES, "SQ", [[Element(IMAGES, "SQ", [[start, stop]]), start, stop]]),
        start,
        stop,
        Element(PHARMACEUTICAL, "SQ", [[start, stop], [Element(IMAGES, "SQ", [[start]])]], defined=False),
    ]
    right = [
        Element(STUDIES, "SQ", [[Element(IMAGES, "SQ", [[Element(STOP, "DT")]])]]),
        Element(PHARMACEUTICAL, "SQ", [[start], [Element(IMAGES, "SQ", [[]])]], defined=False),
    ]
    assert rewrite(made, elements, syntax).head == encode(right, syntax)


# ---- repeating groups ---------------------------------------------------------------------------------------------------


def test_a_rule_for_repeating_groups_holds_in_each_of_them() -> None:
    keep, remove = ACTIONS["keep"], ACTIONS["remove"]
    made = Program(
        rules=[(IMAGES, "SQ", keep, keep, 0)],
        repeating=[
            (0xFFE1FFFF, 0x60000010, "US", keep, remove, 0),
            (0xFFE1FFFF, 0x60003000, "OW", remove, keep, 0),
        ],
    )
    for group in (0x6000, 0x6002, 0x601E):
        rows = Element(group << 16 | 0x0010, "US", b"\0\2")
        data = Element(group << 16 | 0x3000, "OW", b"\1\2\3\4")
        deep = Element(IMAGES, "SQ", [[rows, data]])
        assert rewrite(made, [deep, rows, data], EXPLICIT).head == encode(
            [Element(IMAGES, "SQ", [[data]]), rows], EXPLICIT
        )
    for group in (0x6001, 0x6020, 0x6100, 0x5FFE):
        assert rewrite(made, [Element(group << 16 | 0x0010, "US", b"\0\2")], EXPLICIT).head == b""
