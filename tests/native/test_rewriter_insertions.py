"""What a profile writes itself: each once, in its place, whatever the source says there or in whatever order."""

from __future__ import annotations

import struct
from itertools import permutations

import pytest

from tests.support.datasets import EXPLICIT, SYNTAXES, Element, Syntax, encode, read
from tests.support.rewriting import HASHED_ID, STUDY_ID, program, rewrite

CLASS, INSTANCE, MODALITY, IMAGES = 0x00080016, 0x00080018, 0x00080060, 0x00081140
PATIENT_ID, STUDY, REMOVED, METHOD, CODES, ROWS = (
    0x00100020,
    0x00200010,
    0x00120062,
    0x00120063,
    0x00120064,
    0x00280010,
)
PIXELS = Element(0x7FE00010, "OW", b"\1\2\3\4")
every_syntax = pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)

CODE = [(0x00080100, "SH", b"113100"), (0x00080102, "SH", b"DCM"), (0x00081161, "UL", struct.pack("<I", 7))]
WRITER = program(
    {PATIENT_ID: "hash-patient", STUDY: "hash-study"},
    {},
    insertions=[
        (CODES, "SQ", [CODE, []]),  # not in the order of tags
        (REMOVED, "CS", b"YES"),
        (METHOD, "LO", b"Penstock"),
        (ROWS, "US", struct.pack("<H", 0x0102)),
        (PATIENT_ID, "LO", "hashed-id"),
        (STUDY, "SH", "study-id"),
        (CLASS, "UI", "sop-class-uid"),
        (INSTANCE, "UI", "sop-instance-uid"),
    ],
)
WRITTEN = [
    Element(CLASS, "UI", b"1.2.840.10008.5.1.4.1.1.2\0"),
    Element(INSTANCE, "UI", b"2.25.1"),
    Element(PATIENT_ID, "LO", HASHED_ID),
    Element(REMOVED, "CS", b"YES "),
    Element(METHOD, "LO", b"Penstock"),
    Element(
        CODES,
        "SQ",
        [
            [
                Element(0x00080100, "SH", b"113100"),
                Element(0x00080102, "SH", b"DCM "),
                Element(0x00081161, "UL", struct.pack("<I", 7)),
            ],
            [],
        ],
    ),
    Element(STUDY, "SH", STUDY_ID),
    Element(ROWS, "US", struct.pack("<H", 0x0102)),
]
OWN = [
    Element(MODALITY, "CS", b"CT"),
    Element(0x00180050, "DS", b"5 "),
    Element(0x00400002, "DA", b"20200101"),
]
FALSE = [
    Element(element.tag, element.vr, b"SMITH^", defined=True) for element in WRITTEN if element.vr != "SQ"
]
FALSE.insert(5, Element(CODES, "SQ", [[Element(0x00080104, "LO", b"SMITH ")]], defined=False))


def in_order(elements: list[Element]) -> list[Element]:
    return sorted(elements, key=lambda element: element.tag)


@every_syntax
def test_what_is_absent_is_written_in_its_place(syntax: Syntax) -> None:
    right = encode(in_order([*OWN, *WRITTEN]), syntax)
    assert rewrite(WRITER, OWN, syntax).head == right
    with_body = rewrite(WRITER, [*OWN, PIXELS], syntax)
    assert (with_body.head, with_body.body_tag) == (right, PIXELS.tag)
    assert read(right, syntax)[CODES].value[0][0x00081161].value == 7


@every_syntax
def test_into_an_empty_data_set_everything_is_written(syntax: Syntax) -> None:
    assert rewrite(WRITER, [], syntax).head == encode(WRITTEN, syntax)
    assert rewrite(WRITER, [PIXELS], syntax).head == encode(WRITTEN, syntax)


@every_syntax
def test_what_the_source_says_there_is_replaced(syntax: Syntax) -> None:
    head = rewrite(WRITER, in_order([*OWN, *FALSE]), syntax).head
    assert head == encode(in_order([*OWN, *WRITTEN]), syntax)
    twice = [element for element in in_order([*OWN, *FALSE]) for _ in range(2 if element in FALSE else 1)]
    assert rewrite(WRITER, twice, syntax).head == head


def test_in_any_order_each_is_written_once() -> None:
    some = [FALSE[0], FALSE[2], FALSE[5], OWN[0], OWN[2]]
    for order in permutations(some):
        head = rewrite(WRITER, list(order), EXPLICIT).head
        assert b"SMITH" not in head
        tags = {element.tag: encode([element], EXPLICIT) for element in (*WRITTEN, OWN[0], OWN[2])}
        assert sorted(tags) == sorted(int(element.tag) for element in read(head, EXPLICIT))
        assert all(head.count(element) == 1 for element in tags.values())
        assert len(head) == sum(map(len, tags.values()))


@every_syntax
def test_nothing_is_inserted_into_items(syntax: Syntax) -> None:
    deep = Element(IMAGES, "SQ", [[Element(METHOD, "LO", b"nested")]], defined=False)
    head = rewrite(WRITER, [deep], syntax).head
    assert head == encode(in_order([deep, *WRITTEN]), syntax)


@every_syntax
def test_behind_the_body_nothing_is_inserted_and_nothing_false_stays(syntax: Syntax) -> None:
    behind = Element(0x00400002, "DA", b"20200101")
    plan = rewrite(WRITER, [*FALSE, behind], syntax, tail=True)
    assert plan.head == encode([behind], syntax)


def test_a_computed_value_that_is_not_known_leaves_an_empty_attribute_where_there_was_one() -> None:
    head = rewrite(WRITER, FALSE, EXPLICIT, hashed_id=b"", sop_class=b"").head
    emptied = [Element(e.tag, e.vr, b"") if e.tag in (PATIENT_ID, CLASS) else e for e in WRITTEN]
    assert head == encode(emptied, EXPLICIT)
    absent = [e for e in FALSE if e.tag not in (PATIENT_ID, CLASS)]
    head = rewrite(WRITER, absent, EXPLICIT, hashed_id=b"", sop_class=b"").head
    assert head == encode([e for e in WRITTEN if e.tag not in (PATIENT_ID, CLASS)], EXPLICIT)


def test_what_stays_empty_does_so_once() -> None:
    twice = [FALSE[2], FALSE[2]]
    assert twice[0].tag == PATIENT_ID
    head = rewrite(WRITER, twice, EXPLICIT, hashed_id=b"").head
    assert head.count(encode([Element(PATIENT_ID, "LO")], EXPLICIT)) == 1


def test_a_constant_of_many_bytes_is_written_whole() -> None:
    method = b"\\".join(b"x" * 63 for _ in range(1000))
    made = program({}, insertions=[(METHOD, "LO", method)])
    assert rewrite(made, [], EXPLICIT).head == encode([Element(METHOD, "LO", method + b" ")], EXPLICIT)
    with pytest.raises(ValueError, match="too long"):
        program({}, insertions=[(METHOD, "LO", method * 2)])
