"""A mask blanks exactly its region, in every frame and every layout of pixels, and nothing else of the body."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import pytest

from engine._native.survey import Survey, survey
from engine.errors import Refusal
from engine.profile.pixels import Region
from engine.pseudonymize.mask import blanked, masked_spans
from engine.pseudonymize.pixels import FACTS, Mask
from engine.pseudonymize.plan import ZEROS
from tests.support.datasets import BIG, EXPLICIT, IMPLICIT, Element, Syntax, encode, even

Pixels = np.ndarray[tuple[int, ...], np.dtype[np.integer]]
ROWS, COLUMNS = 6, 5
AT = 1000
HEADER = b"\xe0\x7f\x10\0OB\0\0????"  # the length is not looked at
INSIDE = Mask(((1, 2, 3, 2),), inside=True)
LAYOUTS = ("by pixel", "by plane")


def values(syntax: Syntax = EXPLICIT, changed: Mapping[str, object] | None = None) -> Survey:
    """The facts of an image as the reader gives them."""
    facts = {"samples": 1, "planar": 0, "frames": 1, "allocated": 8, "photometric": "MONOCHROME2"} | dict(
        changed or {}
    )

    def short(tag: int, name: str) -> Element:
        return Element(tag, "US", struct.pack("<H", int(str(facts[name]))))

    elements = [
        short(0x00280002, "samples"),
        Element(0x00280004, "CS", even(str(facts["photometric"]).encode())),
        short(0x00280006, "planar"),
        Element(0x00280008, "IS", even(str(facts["frames"]).encode())),
        Element(0x00280010, "US", struct.pack("<H", ROWS)),
        Element(0x00280011, "US", struct.pack("<H", COLUMNS)),
        short(0x00280100, "allocated"),
    ]
    data = encode(elements, syntax)
    return survey(data, len(data), 0, syntax.bits, FACTS)


def applied(spans: tuple[tuple[int, int], ...], pixels: bytes, header: bytes = HEADER) -> bytes:
    """The pixels that the spans give of a body at AT."""
    source = bytes(AT) + header + pixels
    out = b"".join(
        bytes(length) if offset == ZEROS else source[offset : offset + length] for offset, length in spans
    )
    assert out.startswith(header)
    return out[len(header) :]


def expected(pixels: Pixels, mask: Mask) -> Pixels:
    """`pixels` (frames, rows, columns, samples) with the mask's pixels 0, one by one."""
    out = pixels.copy()
    for row in range(ROWS):
        for column in range(COLUMNS):
            hit = any(
                left <= column < left + (width or COLUMNS) and top <= row < top + (height or ROWS)
                for left, top, width, height in mask.regions
            )
            if hit is mask.inside:
                out[:, row, column, :] = 0
    return out


MASKS = {
    "a region": INSIDE,
    "two that overlap": Mask(((0, 0, 2, 3), (1, 1, 3, 3)), inside=True),
    "the top edge": Mask(((0, 0, 0, 2),), inside=True),
    "the right edge": Mask(((4, 0, 0, 0),), inside=True),
    "beyond the frame": Mask(((3, 4, 100, 100),), inside=True),
    "all": Mask(((0, 0, 0, 0),), inside=True),
    "all but a region": Mask(((1, 2, 3, 2),), inside=False),
    "all but two": Mask(((0, 0, 2, 2), (3, 4, 2, 2)), inside=False),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("allocated", [8, 16, 32])
@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG], ids=lambda syntax: syntax.name)
def test_exactly_the_masked_pixels_are_zeros(
    syntax: Syntax, allocated: int, layout: str, samples: int, frames: int, mask: Mask
) -> None:
    kind = np.dtype(f"{'>' if syntax.big else '<'}u{allocated // 8}")
    count = frames * ROWS * COLUMNS * samples
    pixels = (np.arange(1, count + 1) % 250 + 1).astype(kind).reshape(frames, ROWS, COLUMNS, samples)
    by_plane = layout == "by plane" and samples > 1

    def stored(array: Pixels) -> bytes:
        return (array.transpose(0, 3, 1, 2) if by_plane else array).tobytes()

    facts = values(
        syntax, {"samples": samples, "planar": int(by_plane), "frames": frames, "allocated": allocated}
    )
    spans = masked_spans(facts, syntax.bits, mask, AT, HEADER, len(stored(pixels)))
    assert applied(spans, stored(pixels)) == stored(expected(pixels, mask))


def test_the_header_of_the_element_is_kept_and_first() -> None:
    spans = masked_spans(values(), 1, Mask(((0, 0, 0, 0),), inside=True), AT, HEADER, ROWS * COLUMNS)
    assert spans == ((AT, 12), (ZEROS, ROWS * COLUMNS))


def test_what_is_kept_before_a_region_is_one_span_with_the_header() -> None:
    spans = masked_spans(values(), 1, INSIDE, AT, HEADER, ROWS * COLUMNS)
    assert spans[0] == (AT, 12 + 2 * COLUMNS + 1)
    assert [length for offset, length in spans if offset == ZEROS] == [3, 3]


def test_a_padding_byte_is_kept() -> None:
    pixels = bytes(range(1, ROWS * COLUMNS + 1)) + b"\xee"
    out = applied(masked_spans(values(), 1, INSIDE, AT, HEADER, len(pixels)), pixels)
    assert out[-1:] == b"\xee"
    assert len(out) == len(pixels)


@pytest.mark.parametrize(
    ("facts", "length"),
    [
        ({"allocated": 1}, 4),
        ({"allocated": 12}, 45),
        ({"allocated": 0}, 30),
        ({"samples": 3, "photometric": "YBR_FULL_422"}, 90),
        ({"samples": 3, "photometric": "YBR_PARTIAL_422"}, 90),
        ({"frames": 2}, 30),
        ({"frames": 0}, 30),
        ({"frames": "many"}, 30),
        ({}, 29),
        ({}, 32),
    ],
)
def test_pixels_that_are_not_whole_bytes_or_not_all_there_are_refused(
    facts: dict[str, object], length: int
) -> None:
    with pytest.raises(Refusal) as refused:
        masked_spans(values(EXPLICIT, facts), 1, INSIDE, AT, HEADER, length)
    assert (refused.value.code, refused.value.tag) == ("mask-impossible", 0x7FE00010)


def test_an_image_without_rows_is_refused() -> None:
    nothing = survey(b"", 0, 0, 1, FACTS)
    with pytest.raises(Refusal) as refused:
        masked_spans(nothing, 1, INSIDE, AT, HEADER, 30)
    assert refused.value.code == "mask-impossible"


def test_a_mask_of_countless_pieces_is_refused() -> None:
    frames = 70_000
    with pytest.raises(Refusal) as refused:
        masked_spans(
            values(EXPLICIT, {"frames": frames}),
            1,
            Mask(((0, 0, 1, 6),), inside=True),
            AT,
            HEADER,
            frames * ROWS * COLUMNS,
        )
    assert refused.value.code == "mask-impossible"


@pytest.mark.parametrize(
    ("region", "count"), [((0, 0, 0, 0), 30), ((9, 9, 3, 3), 0), ((4, 5, 9, 9), 1), ((0, 5, 0, 1), 5)]
)
def test_regions_end_at_the_edge(region: Region, count: int) -> None:
    assert int(blanked(Mask((region,), inside=True), ROWS, COLUMNS).sum()) == count
    assert int(blanked(Mask((region,), inside=False), ROWS, COLUMNS).sum()) == ROWS * COLUMNS - count


@pytest.mark.parametrize(
    ("mask", "code"),
    [
        (Mask(((9, 9, 3, 3),), inside=True), "mask-impossible"),
        (Mask(((0, 0, 5, 6),), inside=False), "ultrasound-regions"),
    ],
)
def test_a_mask_that_blanks_nothing_is_not_called_one(mask: Mask, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        masked_spans(values(), 1, mask, AT, HEADER, ROWS * COLUMNS)
    assert refused.value.code == code


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("frames", [1, 2, 4])  # 30 bytes a frame
def test_where_words_hold_two_pixels_none_of_the_text_is_left(mask: Mask, frames: int) -> None:
    """Big endian, OW, 8 bits: each masked pixel is blanked, and beside it at most the other one of its word."""
    header = b"\x7f\xe0\0\x10OW\0\0????"
    count = frames * ROWS * COLUMNS
    pixels = (np.arange(count) % 250 + 1).astype("u1").reshape(frames, ROWS, COLUMNS, 1)
    stored = pixels.tobytes()
    body = bytes(stored[i ^ 1] for i in range(count))
    spans = masked_spans(values(BIG, {"frames": frames}), BIG.bits, mask, AT, header, count)
    assert sum(length for _, length in spans) == len(header) + count
    out = applied(spans, body, header)
    wanted = expected(pixels, mask).tobytes()
    for i in range(count):
        assert out[i ^ 1] == wanted[i] or (out[i ^ 1] == 0 and not wanted[i ^ 1])


def test_a_body_of_odd_length_is_not_made_longer() -> None:
    header = b"\x7f\xe0\0\x10OW\0\0????"
    facts = survey_of_one_pixel()
    spans = masked_spans(facts, BIG.bits, Mask(((0, 0, 0, 0),), inside=True), AT, header, 1)
    assert spans == ((AT, 12), (ZEROS, 1))


def survey_of_one_pixel() -> Survey:
    one = struct.pack("<H", 1)
    tags = {0x00280002: one, 0x00280010: one, 0x00280011: one, 0x00280100: struct.pack("<H", 8)}
    data = encode([Element(tag, "US", value) for tag, value in tags.items()], BIG)
    return survey(data, len(data), 0, BIG.bits, FACTS)
