"""`walk` lists every element of a data set: by it the leak scan and other tests know where a byte stands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset

from engine._native.reader import Refused, walk
from tests.support.datasets import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_END,
    PIXEL_DATA,
    SEQUENCE_END,
    SYNTAXES,
    Element,
    Syntax,
    encode,
    exact,
    header,
    item,
    read,
)

ACCESSION, MODALITY, IMAGES = 0x00080050, 0x00080060, 0x00081140
CT = Element(MODALITY, "CS", b"CT")


def rows(data: bytes, syntax: Syntax = EXPLICIT) -> list[tuple[int, int, str, int, int, int]]:
    return walk(exact(data), 0, syntax.bits)


def test_each_row_says_where_what_how_long_and_how_deep() -> None:
    inner = encode([CT], EXPLICIT)
    data = encode([CT, Element(IMAGES, "SQ", [[CT]]), Element(ACCESSION, "UT", b"abc")], EXPLICIT)
    assert rows(data) == [
        (0, MODALITY, "CS", 2, 0, 8),
        (10, IMAGES, "SQ", 8 + len(inner), 0, 22),
        (22, ITEM, "", len(inner), 1, 30),
        (30, MODALITY, "CS", 2, 2, 38),
        (40, ACCESSION, "UT", 3, 0, 52),
    ]


def test_delimiters_are_rows_too() -> None:
    data = encode([Element(IMAGES, "SQ", [[CT]], defined=False, items_defined=False)], EXPLICIT)
    assert [(row[1], row[3], row[4]) for row in rows(data)] == [
        (IMAGES, -1, 0),
        (ITEM, -1, 1),
        (MODALITY, 2, 2),
        (ITEM_END, 0, 2),
        (SEQUENCE_END, 0, 1),
    ]


def test_encapsulated_pixel_data_is_one_row() -> None:
    data = encode([Element(PIXEL_DATA, "OB", fragments=(b"", b"abcd")), CT], EXPLICIT)
    assert [row[1] for row in rows(data)] == [PIXEL_DATA, MODALITY]


def test_implicit_sequences_of_defined_length_are_not_entered() -> None:
    data = encode([Element(IMAGES, "SQ", [[CT]]), Element(IMAGES, "SQ", [[CT]], defined=False)], IMPLICIT)
    assert [row[1] for row in rows(data, IMPLICIT)] == [IMAGES, IMAGES, ITEM, MODALITY, SEQUENCE_END]


def test_implicit_sequences_are_entered_where_their_tags_are_known() -> None:
    data = encode([Element(IMAGES, "SQ", [[CT]]), Element(0x00081115, "SQ", [[CT]])], IMPLICIT)
    found = walk(exact(data), 0, IMPLICIT.bits, {IMAGES})
    assert [row[1] for row in found] == [IMAGES, ITEM, MODALITY, 0x00081115]
    with pytest.raises(Refused, match="no item"):
        walk(encode([Element(IMAGES, "SQ", bytes(8))], IMPLICIT), 0, IMPLICIT.bits, {IMAGES})


def test_fewer_bytes_than_a_header_at_the_end_are_left_out() -> None:
    data = encode([CT], EXPLICIT)
    for size in range(8):
        assert len(rows(data + bytes(size))) == 1
    assert rows(b"") == []


def test_a_start_behind_the_end_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="behind the end"):
        walk(b"abc", 4, 1)


def _tags(dataset: Dataset) -> Iterator[tuple[int, bytes | None]]:
    for element in dataset:
        yield int(element.tag), None
        if element.VR == "SQ":
            for each in element.value:
                yield from _tags(each)


@pytest.mark.parametrize(
    ("syntax", "defined"), [(EXPLICIT, True), (BIG, True), *((syntax, False) for syntax in SYNTAXES)]
)
def test_a_walk_sees_what_pydicom_sees(syntax: Syntax, defined: bool) -> None:
    deep = Element(IMAGES, "SQ", [[CT], [], [Element(ACCESSION, "SH", b"AB"), CT]], defined=defined)
    deep = Element(0x00081115, "SQ", [[CT, deep], [deep]], defined=defined, items_defined=defined)
    data = encode([CT, deep, Element(0x00280010, "US", b"\0\1")], syntax)
    seen = [row[1] for row in rows(data, syntax) if row[1] >> 16 != 0xFFFE]
    assert seen == [tag for tag, _ in _tags(read(data, syntax))]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (header(ITEM, "", 0, EXPLICIT), "stray-delimiter"),
        (header(ITEM_END, "", 0, EXPLICIT), "stray-delimiter"),
        (encode([Element(IMAGES, "SQ", [[CT]], length=17)], EXPLICIT), "overrun"),
        (encode([Element(IMAGES, "SQ", [[CT]], length=19)], EXPLICIT), "truncated"),
        (encode([Element(IMAGES, "SQ", header(ITEM, "", 99, EXPLICIT)), CT], EXPLICIT), "overrun"),
        (
            # An item without its end reaches to the end of the sequence around it, not into what follows.
            encode(
                [Element(IMAGES, "SQ", item(encode([CT], EXPLICIT), EXPLICIT, defined=False)[:-8])], EXPLICIT
            )
            + header(ITEM_END, "", 0, EXPLICIT),
            "truncated",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        rows(data)
    assert caught.value.code == code
