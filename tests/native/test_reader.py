"""The element walker (PS3.5 section 7): it finds what is there, says how much more it needs, and refuses what makes no sense."""

from __future__ import annotations

import resource
import struct

import pytest

from engine._native.reader import NeedMore, Refused, fragments, walk
from engine._native.survey import Survey, Wanted, survey
from tests.support.datasets import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_END,
    PIXEL_DATA,
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
)
from tests.support.outcomes import outcome, refused

PATIENT_ID, ACCESSION, MODALITY, IMAGES = 0x00100020, 0x00080050, 0x00080060, 0x00081140
every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)

TYPICAL = [
    Element(0x00080000, "UL", struct.pack("<I", 26)),
    Element(ACCESSION, "SH", b" A-1\0"),
    Element(MODALITY, "CS", b"CT"),
    Element(IMAGES, "SQ", [[Element(ACCESSION, "SH", b"NESTED")], []], defined=False, items_defined=False),
    Element(PATIENT_ID, "LO", b"P-1 "),
    Element(0x00280010, "US", b"\0\2"),
    Element(PIXEL_DATA, "OW", bytes(range(32))),
    Element(0xFFFCFFFC, "OB", b"\0\0"),
]


def look(data: bytes, syntax: Syntax, *wanted: int, last: int = 0xFFFFFFFF) -> Survey:
    return survey(exact(data), len(data), 0, syntax.bits, wanted, last)


# ---- survey ----------------------------------------------------------------------------------------------------------


@every_syntax
def test_values_of_the_top_level_are_found_without_their_padding(syntax: Syntax) -> None:
    found = look(encode(TYPICAL, syntax), syntax, PATIENT_ID, ACCESSION, 0x0020000D)
    assert (found.get(PATIENT_ID), found.get(ACCESSION), found.get(0x0020000D)) == (b"P-1", b"A-1", None)


@every_syntax
def test_a_survey_ends_at_the_body(syntax: Syntax) -> None:
    found = look(encode(TYPICAL, syntax), syntax, 0xFFFCFFFC)
    assert (found.elements, found.end) == (6, len(encode(TYPICAL[:6], syntax)))
    assert found.get(0xFFFCFFFC) is None


def test_a_survey_ends_at_the_first_tag_above_the_last_one_wanted() -> None:
    found = look(encode(TYPICAL, EXPLICIT), EXPLICIT, PATIENT_ID, last=MODALITY)
    assert (found.elements, found.get(PATIENT_ID)) == (3, None)


@every_syntax
def test_values_are_found_out_of_order_and_of_a_repeated_attribute_the_last(syntax: Syntax) -> None:
    first, last = Element(PATIENT_ID, "LO", b"P-1 "), Element(PATIENT_ID, "LO", b"P-22")
    late = Element(ACCESSION, "SH", b"A-1 ")
    other = Element(0x00100030, "DA", b"19700203")
    for elements in (
        [first, last, late],
        [first, late, last],
        [first, other, late, last],
        [last, first, last, late],
    ):
        found = look(encode(elements, syntax), syntax, PATIENT_ID, ACCESSION)
        assert (found.get(PATIENT_ID), found.get(ACCESSION)) == (b"P-22", b"A-1")
        assert (found.raw(PATIENT_ID), found.raw(ACCESSION)) == (b"P-22", b"A-1 ")


@every_syntax
def test_what_is_wanted_apart_is_found_and_makes_no_difference_to_the_key(syntax: Syntax) -> None:
    def found(instance: bytes, patient: bytes) -> Survey:
        data = encode([Element(0x00080018, "UI", instance), Element(PATIENT_ID, "LO", patient)], syntax)
        return survey(exact(data), len(data), 0, syntax.bits, Wanted((PATIENT_ID,), 0x00080018))

    one, other, else_ = found(b"1.23", b"P-1 "), found(b"1.2.3.45", b"P-1 "), found(b"1.23", b"P-2 ")
    assert [each.get(0x00080018) for each in (one, other, else_)] == [b"1.23", b"1.2.3.45", b"1.23"]
    assert one.key == other.key != else_.key
    assert one.raw(PATIENT_ID) == b"P-1 "


def test_at_most_64_attributes_are_looked_for() -> None:
    assert look(encode(TYPICAL, EXPLICIT), EXPLICIT, *range(31), PATIENT_ID).get(PATIENT_ID) == b"P-1"
    with pytest.raises(ValueError, match="at most 64"):
        look(encode(TYPICAL, EXPLICIT), EXPLICIT, *range(64), PATIENT_ID)


@every_syntax
@pytest.mark.parametrize("last", [0xFFFFFFFF, PATIENT_ID])
def test_a_window_of_any_size_leads_to_the_same_survey(syntax: Syntax, last: int) -> None:
    data = encode(TYPICAL, syntax)
    whole = look(data, syntax, PATIENT_ID, ACCESSION, last=last)
    for avail in range(len(data) + 1):
        window = exact(data[:avail])
        found = outcome(survey, window, len(data), 0, syntax.bits, (PATIENT_ID, ACCESSION), last)
        if isinstance(found, NeedMore):
            assert avail < found.upto <= len(data)
        else:
            assert isinstance(found, Survey)
            assert (found.elements, found.end, found.get(PATIENT_ID)) == (whole.elements, whole.end, b"P-1")


@every_syntax
def test_cut_at_every_byte_a_data_set_is_refused_or_read_as_far_as_it_goes(syntax: Syntax) -> None:
    data = encode(TYPICAL[:6], syntax)
    for cut in range(len(data)):
        found = outcome(look, data[:cut], syntax, PATIENT_ID)
        if isinstance(found, Refused):
            assert (found.code, found.offset <= cut) == ("truncated", True)
        else:
            assert isinstance(found, Survey)
            assert found.get(PATIENT_ID) in (None, b"P-1")


@every_syntax
@pytest.mark.parametrize("size", [0, 1, 7])
def test_lengths_that_fit_are_taken_whether_even_or_odd(syntax: Syntax, size: int) -> None:
    data = encode(
        [Element(ACCESSION, "UT", b"x" * size, length=size), Element(PATIENT_ID, "LO", b"P-1")], syntax
    )
    found = look(data, syntax, ACCESSION, PATIENT_ID)
    assert (found.get(ACCESSION), found.get(PATIENT_ID)) == (b"x" * size, b"P-1")


@every_syntax
def test_a_length_is_right_up_to_the_last_byte_and_refused_one_further(syntax: Syntax) -> None:
    data = encode([Element(MODALITY, "CS", b"CT"), Element(PATIENT_ID, "UT", b"abcdef", length=6)], syntax)
    assert look(data, syntax, PATIENT_ID).get(PATIENT_ID) == b"abcdef"
    at = len(encode([Element(MODALITY, "CS", b"CT")], syntax))
    for length in (7, 8, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE):
        lies = data[:at] + encode([Element(PATIENT_ID, "UT", b"abcdef", length=length)], syntax)
        problem = refused(look, lies, syntax, PATIENT_ID)
        assert (problem.code, problem.offset, problem.tag) == ("truncated", at, PATIENT_ID)


@every_syntax
def test_one_byte_less_leaves_a_byte_that_is_no_element(syntax: Syntax) -> None:
    data = encode([Element(PATIENT_ID, "UT", b"abcdef", length=5)], syntax)
    found = look(data, syntax, PATIENT_ID)
    assert (found.get(PATIENT_ID), found.end) == (b"abcde", len(data) - 1)


def test_where_a_vr_must_stand_anything_else_is_refused() -> None:
    data = encode([Element(MODALITY, "CS", b"CT")], EXPLICIT)
    problem = refused(look, data + b"\x10\0\x20\0??\2\0ab", EXPLICIT)
    assert (problem.code, problem.offset) == ("bad-vr", len(data))


# ---- elements of undefined length ---------------------------------------------------------------------------------------


def undefined(content: bytes, syntax: Syntax, vr: str = "SQ") -> bytes:
    return header(IMAGES, vr, UNDEFINED, syntax) + content


@every_syntax
@pytest.mark.parametrize("defined", [False, True])
def test_64_levels_of_nesting_pass_and_65_are_refused(syntax: Syntax, defined: bool) -> None:
    inner = [Element(ACCESSION, "SH", b"AB")]
    for levels, code in ((64, None), (65, "too-deep")):
        data = encode([nested(levels, inner, defined=defined), Element(PATIENT_ID, "LO", b"P-1")], syntax)
        if code is None or defined:  # what has a length is stepped over as a whole
            assert look(data, syntax, PATIENT_ID).get(PATIENT_ID) == b"P-1"
        else:
            assert refused(look, data, syntax).code == code
        if syntax.explicit:
            if code is None:
                assert max(row[4] for row in walk(exact(data), 0, syntax.bits)) == 128
            else:
                assert refused(walk, data, 0, syntax.bits).code == code


@every_syntax
@pytest.mark.parametrize("levels", [100_000, 1_000_000])
def test_a_nesting_bomb_is_refused_and_costs_no_memory(syntax: Syntax, levels: int) -> None:
    level = header(IMAGES, "SQ", UNDEFINED, syntax) + header(ITEM, "", UNDEFINED, syntax)
    data = level * levels
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(survey, data, len(data), 0, syntax.bits, ()).code == "too-deep"
    assert refused(walk, data, 0, syntax.bits).code == "too-deep"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1024


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "truncated"),
        (header(ITEM, "", UNDEFINED, EXPLICIT), "truncated"),
        (item(b"", EXPLICIT), "truncated"),
        (header(ITEM, "", 9, EXPLICIT) + bytes(8), "truncated"),
        (header(ITEM, "", 0xFFFFFFFE, EXPLICIT), "truncated"),
        (header(ITEM_END, "", 0, EXPLICIT), "item-expected"),
        (encode([Element(MODALITY, "CS", b"CT")], EXPLICIT), "item-expected"),
        (
            header(ITEM, "", UNDEFINED, EXPLICIT) + header(SEQUENCE_END, "", 0, EXPLICIT) * 3,
            "stray-delimiter",
        ),
        (header(ITEM, "", UNDEFINED, EXPLICIT) + header(ITEM, "", 0, EXPLICIT) * 3, "stray-delimiter"),
        (header(ITEM, "", UNDEFINED, EXPLICIT) + b"\x08\0\x60\0??\2\0CT" + bytes(20), "bad-vr"),
        (
            header(ITEM, "", UNDEFINED, EXPLICIT)
            + encode([Element(MODALITY, "UT", b"CT", length=99)], EXPLICIT),
            "truncated",
        ),
    ],
)
def test_a_sequence_that_makes_no_sense_is_refused(content: bytes, code: str) -> None:
    data = encode([Element(ACCESSION, "SH", b"AB")], EXPLICIT) + undefined(content, EXPLICIT)
    problem = refused(look, data, EXPLICIT)
    assert problem.code == code
    assert problem.offset <= len(data)
    assert refused(walk, exact(data), 0, EXPLICIT.bits).code == code


UN_CONTENT = {
    "implicit": (IMPLICIT, b""),
    "explicit": (EXPLICIT, b""),
    "an empty item, then explicit": (EXPLICIT, item(b"", EXPLICIT) + item(b"", EXPLICIT, defined=False)),
    "an empty item, then implicit": (IMPLICIT, item(b"", EXPLICIT)),
}


@pytest.mark.parametrize("kind", UN_CONTENT)
@pytest.mark.parametrize("items_defined", [False, True])
def test_un_of_undefined_length_is_passed_whatever_syntax_it_holds(kind: str, items_defined: bool) -> None:
    syntax, before = UN_CONTENT[kind]
    inner = [Element(ACCESSION, "SH", b"AB"), nested(2, [Element(MODALITY, "CS", b"CT")], defined=False)]
    content = before + item(encode(inner, syntax), syntax, defined=items_defined)
    data = undefined(content + header(SEQUENCE_END, "", 0, syntax), EXPLICIT, "UN")
    data += encode([Element(PATIENT_ID, "LO", b"P-1")], EXPLICIT)
    assert look(data, EXPLICIT, PATIENT_ID).get(PATIENT_ID) == b"P-1"
    for avail in range(len(data)):
        with pytest.raises(NeedMore):
            survey(exact(data[:avail]), len(data), 0, EXPLICIT.bits, (PATIENT_ID,))
    assert ACCESSION in {row[1] for row in walk(exact(data), 0, EXPLICIT.bits)}


# ---- fragments of encapsulated pixel data --------------------------------------------------------------------------------


def encapsulated(*parts: bytes, syntax: Syntax = EXPLICIT) -> bytes:
    return b"".join(header(ITEM, "", len(part), syntax) + part for part in parts)


END = header(SEQUENCE_END, "", 0, EXPLICIT)


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG], ids=lambda syntax: syntax.name)
def test_fragments_are_hopped_over_to_the_delimiter(syntax: Syntax) -> None:
    data = encapsulated(b"", b"abcd", b"odd", bytes(100), syntax=syntax) + header(SEQUENCE_END, "", 0, syntax)
    assert fragments(exact(data + b"tail"), 0, 0, len(data) + 4, syntax.bits) == (len(data), True)


def test_fragments_go_on_where_the_window_ends() -> None:
    data = encapsulated(b"", bytes(50), bytes(50)) + END
    starts = [0, 8, 66, 124]
    for avail in range(len(data) + 1):
        pos, ended = fragments(exact(data[:avail]), 0, 0, len(data), 1)
        assert ended == (avail == len(data))
        assert pos == (len(data) if ended else next(start for start in starts if start + 8 > avail))
    assert fragments(exact(data[60:]), 60, 66, len(data), 1) == (len(data), True)


def test_fragments_before_the_window_are_not_read() -> None:
    data = encapsulated(b"ab") + END
    assert fragments(exact(data), 100, 50, 200, 1) == (50, False)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encapsulated(b"ab") + b"JUNKJUNK", "item-expected"),
        (header(ITEM, "", UNDEFINED, EXPLICIT) + END, "item-expected"),
        (header(ITEM_END, "", 0, EXPLICIT), "item-expected"),
        (header(ITEM, "", 5, EXPLICIT) + b"abcd", "truncated"),
        (header(ITEM, "", 0xFFFFFFFE, EXPLICIT) + b"abcd", "truncated"),
    ],
)
def test_fragments_that_make_no_sense_are_refused(data: bytes, code: str) -> None:
    problem = refused(fragments, exact(data), 0, 0, len(data), 1)
    assert (problem.code, problem.tag) == (code, PIXEL_DATA)
