"""Where a head ends: the body is named and never read; what follows it is rewritten by the same rules."""

from __future__ import annotations

import pytest

from tests.support.datasets import (
    BIG,
    EXPLICIT,
    SYNTAXES,
    UNDEFINED,
    Element,
    Syntax,
    encode,
    header,
)
from tests.support.outcomes import refused
from tests.support.rewriting import keep_all, program, rewrite

MODALITY, NAME, PIXELS, FLOATS, DOUBLES = 0x00080060, 0x00100010, 0x7FE00010, 0x7FE00008, 0x7FE00009
CT = Element(MODALITY, "CS", b"CT")
every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
PRIVATE_NAMES = program({NAME: "remove", 0xFFFCFFFC: "remove", 0xFFFAFFFA: "remove", PIXELS: "keep"})


@every_syntax
@pytest.mark.parametrize(
    ("tag", "vr"), [(PIXELS, "OW"), (PIXELS, "OB"), (FLOATS, "OF"), (DOUBLES, "OD"), (PIXELS, "UN")]
)
def test_the_walk_stops_at_the_body(syntax: Syntax, tag: int, vr: str) -> None:
    body = Element(tag, vr, bytes(64))
    data = encode([CT, body, CT], syntax)
    plan = rewrite(keep_all(), data, syntax)
    before = len(encode([CT], syntax))
    size = 12 if syntax.explicit else 8
    assert plan.head == data[:before]
    assert (plan.body_tag, plan.body_offset, plan.body_header, plan.body_length) == (tag, before, size, 64)
    assert plan.end == before


@every_syntax
def test_an_encapsulated_body_has_no_length(syntax: Syntax) -> None:
    plan = rewrite(keep_all(), [CT, Element(PIXELS, "OB", fragments=(b"", b"abcd"))], syntax)
    assert (plan.body_tag, plan.body_length) == (PIXELS, None)


def test_a_body_may_be_longer_than_the_object_has_been_read() -> None:
    data = encode([CT], EXPLICIT) + header(PIXELS, "OW", 0xFFFFFFFE, EXPLICIT)
    plan = rewrite(keep_all(), data, EXPLICIT, total=len(data) + 10)
    assert (plan.body_length, plan.end) == (0xFFFFFFFE, len(data) - 12)


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG], ids=lambda syntax: syntax.name)
@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (PIXELS, "LT"),
        (PIXELS, "UT"),
        (PIXELS, "SQ"),
        (PIXELS, "OF"),
        (PIXELS, "PN"),
        (FLOATS, "OW"),
        (DOUBLES, "UT"),
    ],
)
def test_a_body_that_is_declared_as_something_else_is_refused(syntax: Syntax, tag: int, vr: str) -> None:
    problem = refused(rewrite, keep_all(), [CT, Element(tag, vr, b"John Smith")], syntax)
    assert (problem.code, problem.tag) == ("bad-vr", tag)


def test_a_data_set_without_a_body_has_none() -> None:
    plan = rewrite(keep_all(), [CT], EXPLICIT)
    assert (plan.body_tag, plan.body_length, plan.end) == (None, None, 10)


def test_elements_before_the_body_in_its_group_are_part_of_the_head() -> None:
    offsets = Element(0x7FE00001, "OV", bytes(16))
    plan = rewrite(keep_all(), [offsets, Element(PIXELS, "OB", b"ab")], EXPLICIT)
    assert plan.head == encode([offsets], EXPLICIT)


# ---- behind the body ----------------------------------------------------------------------------------------------------


@every_syntax
def test_what_follows_a_body_is_rewritten_by_the_same_rules(syntax: Syntax) -> None:
    name, padding = Element(NAME, "PN", b"Smith^John"), Element(0xFFFCFFFC, "OB", b"Smith^")
    sequence = Element(0x00081140, "SQ", [[name, CT]])
    signatures = Element(0xFFFAFFFA, "SQ", [[name]], defined=False)
    plan = rewrite(PRIVATE_NAMES, [CT, name, sequence, signatures, padding], syntax, tail=True)
    assert plan.head == encode([CT, Element(0x00081140, "SQ", [[CT]])], syntax)
    assert plan.body_tag is None


@every_syntax
def test_a_second_body_is_an_element_like_others(syntax: Syntax) -> None:
    second = [Element(PIXELS, "OW", b"abcd"), Element(PIXELS, "OB", fragments=(b"", b"ab"))]
    assert rewrite(PRIVATE_NAMES, second, syntax, tail=True).head == encode(second, syntax)
    assert rewrite(program({PIXELS: "remove"}), [*second, CT], syntax, tail=True).head == encode([CT], syntax)


def test_private_elements_behind_the_body_go() -> None:
    acme = [Element(0x7FE10010, "LO", b"ACME"), Element(0x7FE11010, "OB", b"ab")]
    assert rewrite(PRIVATE_NAMES, [*acme, CT], EXPLICIT, tail=True).head == encode([CT], EXPLICIT)


def test_raw_bytes_behind_the_last_element_are_dropped_or_refused() -> None:
    for size in range(8):
        data = encode([CT], EXPLICIT) + b"SMITHSMI"[:size]
        assert rewrite(PRIVATE_NAMES, data, EXPLICIT, tail=True).head == encode([CT], EXPLICIT)
    for junk in (b"SMITH^JOHN^^^", bytes(8) + b"SMITH^JOHN"):
        assert (
            refused(rewrite, PRIVATE_NAMES, encode([CT], EXPLICIT) + junk, EXPLICIT, tail=True).code
            == "bad-vr"
        )


def test_a_character_set_before_the_body_holds_behind_it() -> None:
    seen = []

    def notes(action: int, tag: int, value: bytes, charset: bytes) -> bytes:
        seen.append((tag, value, charset))
        return b"x"

    made = program({0x00080050: "hash-accession"})
    accession = Element(0x00080050, "SH", b"A1")
    own = Element(0x00081140, "SQ", [[Element(0x00080005, "CS", b"ISO_IR 192"), accession], [accession]])
    rewrite(made, [accession, own], EXPLICIT, tail=True, encode_value=notes, charset=b"ISO_IR 100")
    assert [charset for _, _, charset in seen] == [b"ISO_IR 100", b"ISO_IR 192", b"ISO_IR 100"]
    seen.clear()
    rewrite(made, [Element(0x00080005, "CS", b"ISO_IR 13 "), accession], EXPLICIT, encode_value=notes)
    assert seen == [(0x00080050, b"A1", b"ISO_IR 13 ")]


def test_undefined_length_of_other_binary_elements_is_passed() -> None:
    data = header(0x00091001, "OB", UNDEFINED, EXPLICIT)
    assert refused(rewrite, PRIVATE_NAMES, data, EXPLICIT).code == "truncated"
    whole = Element(0x00091001, "OB", fragments=(b"Smith",))
    assert rewrite(PRIVATE_NAMES, [whole, CT], EXPLICIT).head == encode([CT], EXPLICIT)
