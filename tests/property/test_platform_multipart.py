"""The body of a request, cut anywhere, gives the same parts; what is not whole is refused, wherever it is cut."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Refusal
from engine.platform.multipart_related import MOST_PARTS, PartBegins, PartEnds, RelatedParser

BOUNDARY = "b0-1'()+_,./:=?"
KIND = f'multipart/related; type="application/dicom"; boundary="{BOUNDARY}"'

# Bytes that look much like the end of a part, among others.
PIECES = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"-", b"\r\n--", f"--{BOUNDARY[:-1]}".encode(), b"\0", b"pixels"]
)
CONTENT = st.lists(PIECES | st.binary(max_size=20), max_size=12).map(b"".join)


def innocent(content: bytes) -> bool:
    return f"\r\n--{BOUNDARY}".encode() not in b"\r\n" + content


PARTS = st.lists(CONTENT.filter(innocent), min_size=1, max_size=5)


def body(parts: Iterable[bytes], head: bytes = b"") -> bytes:
    begin = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n".encode() + head + b"\r\n"
    return b"".join(begin + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[low:high] for low, high in pairwise(edges)]


def parse(pieces: Iterable[bytes], most: int = 1 << 30) -> list[bytes]:
    parser = RelatedParser(KIND, most)
    parts: list[bytearray] = []
    open_part = False
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, PartBegins):
                assert not open_part
                assert event.content_type == "application/dicom"
                parts.append(bytearray())
                open_part = True
            elif isinstance(event, PartEnds):
                assert open_part
                open_part = False
            else:
                assert open_part
                parts[-1] += event
    parser.finish()
    assert not open_part
    return [bytes(part) for part in parts]


@given(PARTS, st.lists(st.integers(0, 10_000), max_size=30))
def test_any_cut_gives_the_same_parts(parts: list[bytes], places: list[int]) -> None:
    assert parse(cut(body(parts), places)) == parts


@given(PARTS)
def test_single_bytes_give_the_same_parts(parts: list[bytes]) -> None:
    whole = body(parts)
    assert parse(whole[at : at + 1] for at in range(len(whole))) == parts


@given(PARTS, st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=5))
def test_a_body_that_ends_early_is_refused(parts: list[bytes], end: int, places: list[int]) -> None:
    whole = body(parts)
    short = whole[: end % (len(whole) - 3)]  # without the last hyphen at least
    with pytest.raises(Refusal) as caught:
        parse(cut(short, places))
    assert caught.value.code == "multipart"


@given(CONTENT.filter(innocent), st.integers(0, 100), st.lists(st.integers(0, 10_000), max_size=5))
def test_a_length_that_lies_is_refused(content: bytes, length: int, places: list[int]) -> None:
    pieces = cut(body([content], f"Content-Length: {length}\r\n".encode()), places)
    if length == len(content):
        assert parse(pieces) == [content]
        return
    with pytest.raises(Refusal, match="multipart"):
        parse(pieces)


@given(st.binary(max_size=300), st.lists(st.integers(0, 10_000), max_size=5))
def test_any_bytes_are_parsed_or_refused(data: bytes, places: list[int]) -> None:
    with contextlib.suppress(Refusal):
        parse(cut(data, places))


def test_what_is_held_back_is_never_more_than_a_delimiter() -> None:
    parser = RelatedParser(KIND, 1 << 40)
    list(parser.feed(body([b""])[: -len(f"\r\n--{BOUNDARY}--\r\n")]))
    given_back = 0
    for _ in range(1000):
        given_back += sum(len(event) for event in parser.feed(b"\r\n--b0" * 10) if isinstance(event, bytes))
    assert 0 <= 60_000 - given_back <= len(BOUNDARY) + 8


def test_too_many_parts_are_refused() -> None:
    assert len(parse([body([b"x"] * MOST_PARTS)])) == MOST_PARTS
    with pytest.raises(Refusal, match="count"):
        parse([body([b"x"] * (MOST_PARTS + 1))])


def test_a_part_over_the_limit_is_refused() -> None:
    assert parse([body([b"x" * 100])], most=100) == [b"x" * 100]
    with pytest.raises(Refusal, match="size"):
        parse([body([b"x" * 101])], most=100)
