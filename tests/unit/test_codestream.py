"""Text inside compressed frames is found; what every codec writes of itself is none."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.errors import Refusal
from engine.pseudonymize.codestream import (
    JPEG,
    JPEG_2000,
    check_frames,
    is_of_a_codec,
    jpeg_text,
)
from engine.pseudonymize.codestream import jpeg_2000_text as text_of_jpeg_2000
from tests.support.datasets import EXPLICIT, ITEM, SEQUENCE_END, even, header

BASELINE, JPEG_LS, J2K, HTJ2K = (f"1.2.840.10008.1.2.4.{number}" for number in (50, 80, 90, 201))
RLE = "1.2.840.10008.1.2.5"


def segment(marker: int, content: bytes) -> bytes:
    """A marker segment (ITU-T T.81 B.1.1.4, T.800 A.1.3): marker, length, parameters."""
    return struct.pack(">HH", marker, len(content) + 2) + content


def jpeg_2000_text(stream: bytes) -> list[bytes] | None:
    """Of a stream that is an item by itself."""
    return text_of_jpeg_2000(stream, len(stream))


SOI, EOI = b"\xff\xd8", b"\xff\xd9"
TABLES = segment(0xFFDB, bytes(65)) + segment(0xFFC4, bytes(28))
FRAME = segment(0xFFC0, bytes((8, 0, 8, 0, 8, 1, 1, 0x11, 0)))
SCAN = segment(0xFFDA, bytes((1, 1, 0, 0, 63, 0))) + b"\xfe\xffCOM" + bytes(9) + EOI
SIZ = segment(0xFF51, bytes(38))
TILE = segment(0xFF90, bytes(8)) + b"\xff\x93" + b"\xff\x64\0\6\0\1" + bytes(5) + EOI
JFIF = segment(0xFFE0, b"JFIF\0\1\2\1\0\x48\0\x48\0\0")
ADOBE = segment(0xFFEE, b"Adobe\0\x64\0\0\0\0\0")
PROFILE = segment(0xFFE2, b"ICC_PROFILE\0\1\1" + bytes(200))
TRANSFORM = segment(0xFFE8, b"mrfx\1")


def jpeg(*segments: bytes) -> bytes:
    """A JPEG stream with these segments before its frame header."""
    return SOI + b"".join(segments) + TABLES + FRAME + SCAN


def jpeg_2000(*comments: bytes) -> bytes:
    """A JPEG 2000 codestream whose main header has these comments (Rcom = 1: text)."""
    return b"\xff\x4f" + SIZ + b"".join(segment(0xFF64, b"\0\1" + c) for c in comments) + TILE


@contextmanager
def stored(data: bytes) -> Iterator[int]:
    """A descriptor of a file in memory."""
    fd = os.memfd_create("frames", os.MFD_CLOEXEC)
    try:
        os.write(fd, data)
        yield fd
    finally:
        os.close(fd)


def items(*fragments: bytes) -> bytes:
    """The items of encapsulated PixelData: an empty offset table, the fragments, the delimiter (PS3.5 A.4)."""
    parts = (b"", *(even(part, b"\0") for part in fragments))
    return b"".join(header(ITEM, "", len(part), EXPLICIT) + part for part in parts) + header(
        SEQUENCE_END, "", 0, EXPLICIT
    )


def refusal(transfer_syntax: str, *fragments: bytes, before: bytes = b"") -> Refusal | None:
    """What `check_frames` has to say."""
    body = items(*fragments)
    with stored(before + body) as fd:
        try:
            check_frames(fd, len(before), len(before) + len(body), transfer_syntax)
        except Refusal as refused:
            return refused
    return None


@pytest.mark.parametrize(
    "segments",
    [(), (JFIF,), (JFIF, ADOBE), (ADOBE, PROFILE), (TRANSFORM,), (JFIF, JFIF), (b"\xff" * 7 + JFIF,)],
    ids=["none", "jfif", "adobe", "colour-profile", "transform", "twice", "fill-bytes"],
)
def test_headers_that_decoders_need_are_no_text(segments: tuple[bytes, ...]) -> None:
    assert jpeg_text(jpeg(*segments)) == []
    assert refusal(BASELINE, jpeg(*segments)) is None


@pytest.mark.parametrize(
    ("marker", "content"),
    [
        (0xFFFE, b"Smith^John"),
        (0xFFE1, b"Exif\0\0II*\0Smith"),
        (0xFFE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
        (0xFFED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0Smith"),
        (0xFFE0, b"JFXX\0\x10" + bytes(9)),
        (0xFFE0, b"JFIF\0\1\2\1\0\x48\0\x48\1\1RGB"),  # a thumbnail
        (0xFFEE, b"Adobe\0\x64\0\0\0\0\0Smith"),
        (0xFFE8, b"Smith"),
        (0xFFEF, b"x"),
    ],
)
def test_comments_and_application_segments_are_text(marker: int, content: bytes) -> None:
    stream = jpeg(JFIF, segment(marker, content))
    assert jpeg_text(stream) == [content]
    refused = refusal(BASELINE, stream)
    assert refused is not None
    assert (refused.code, refused.tag) == ("pixel-text", 0x7FE00010)
    assert "Smith" not in str(refused)


def test_a_comment_stands_between_any_two_segments() -> None:
    comment = segment(0xFFFE, b"Smith")
    for stream in (SOI + comment + TABLES + FRAME + SCAN, SOI + TABLES + FRAME + comment + SCAN):
        assert jpeg_text(stream) == [b"Smith"]


def test_compressed_data_is_not_taken_for_a_comment() -> None:
    assert jpeg_text(jpeg() + segment(0xFFFE, b"behind the first scan")) == []
    assert jpeg_2000_text(jpeg_2000()) == []


def test_comments_of_jpeg_2000_are_found_in_the_main_header() -> None:
    assert jpeg_2000_text(jpeg_2000(b"Smith", b"Kakadu-2.2")) == [b"Smith", b"Kakadu-2.2"]
    assert refusal(J2K, jpeg_2000(b"Kakadu-2.2")) is None
    for syntax in (J2K, HTJ2K):
        refused = refusal(syntax, jpeg_2000(b"Kakadu-2.2", b"Smith"))
        assert refused is not None
        assert refused.code == "pixel-text"


@pytest.mark.parametrize("cut", [3, 5, 30, 45])
def test_a_stream_that_ends_in_its_header_tells_nothing_and_is_refused(cut: int) -> None:
    for whole, read, syntax in (
        (jpeg(JFIF), jpeg_text, BASELINE),
        (jpeg_2000(b"Kakadu"), jpeg_2000_text, J2K),
    ):
        stream = whole[:cut]
        assert read(stream) is None
        refused = refusal(syntax, stream)
        assert refused is not None
        assert refused.code == "pixel-text"


def test_a_marker_that_is_none_is_refused() -> None:
    assert jpeg_text(SOI + b"Smith John") is None
    assert jpeg_2000_text(b"\xff\x4f" + b"Smith John") is None


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"\0\0",
        b"Kakadu-2.2",
        b"Kakadu-v7.3.3",
        b"Created by GDCM/OpenJPEG version 2.0",
        b"Created by OpenJPEG version 2.5.2",
        b"Creator: JasPer Version 1.701.0",
        b"OpenJPH Ver 0.7.3.",
        b"MITRA_DICOM_STANDARD",
        b"JPEG Pro",
        b"LEAD Technologies Inc. V1.01\0",
        b"Lavc58.134.100",
        b"Pegasus Imaging Corp",
        b"AVLT_114",
        b"Kdu-Layer-Info: log_2{Delta-D(MSE)/[2^16*Delta-L(bytes)]}, L(bytes)\n -58.0, 5.2e+03\n",
    ],
)
def test_what_codecs_say_of_themselves_passes(name: bytes) -> None:
    assert is_of_a_codec(name)
    assert refusal(BASELINE, jpeg(segment(0xFFFE, name))) is None


@pytest.mark.parametrize(
    "text",
    [
        b"Smith",
        b"John Kakadu",
        b"created by Smith",
        b"lead19560312",
        b"Kakadu 4711990",
        b"2.3.0",
        b"19560312",
        "Kakadu für Müller".encode("latin-1"),
        b"Kakadu " + b"x" * 100,
        b"Kakadu-2.2\nPatient: Smith",
        b"GDCM Quillfeather Ada 1956",
        b"Created by Kakadu for John Smith",
    ],
)
def test_a_name_beside_a_codec_s_does_not_pass(text: bytes) -> None:
    assert not is_of_a_codec(text)


def test_every_frame_is_looked_at_and_the_offset_leads_to_it() -> None:
    clean, bad = jpeg(JFIF), jpeg(segment(0xFFFE, b"Smith"))
    refused = refusal(BASELINE, clean, clean, bad, clean, before=bytes(500))
    assert refused is not None
    assert refused.offset == 500 + 8 + 2 * (8 + len(even(clean, b"\0"))) + 8


def test_a_fragment_that_continues_a_frame_is_no_stream_of_its_own() -> None:
    stream = jpeg(JFIF)
    assert refusal(BASELINE, stream[:-8], b"\0\1" + b"Smith" + stream[-8:]) is None


def test_a_head_longer_than_what_is_read_at_first_is_read_to_its_end() -> None:
    profile = segment(0xFFE2, b"ICC_PROFILE\0\1\1" + bytes(30_000))
    assert refusal(BASELINE, jpeg(profile, profile)) is None
    refused = refusal(BASELINE, jpeg(profile, profile, segment(0xFFFE, b"Smith")))
    assert refused is not None
    endless = [profile] * 10
    refused = refusal(BASELINE, jpeg(*endless))
    assert refused is not None  # a head of 300 KB is nobody's


def test_only_streams_that_have_segments_are_looked_into() -> None:
    stream = jpeg(segment(0xFFFE, b"Smith"))
    assert refusal(RLE, stream) is None
    assert refusal(JPEG_LS, stream) is not None
    assert {BASELINE, JPEG_LS} <= JPEG
    assert {J2K, HTJ2K} <= JPEG_2000


def test_a_comment_in_a_retired_jpeg_process_is_found() -> None:
    assert refusal("1.2.840.10008.1.2.4.55", jpeg(segment(0xFFFE, b"Smith"))) is not None


def test_a_fragment_that_is_no_stream_at_all_is_refused() -> None:
    assert refusal(BASELINE, b"John Smith, born 1956") is not None
    assert refusal(J2K, b"John Smith, born 1956") is not None


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


DESCRIPTION = _box(b"ihdr", bytes(14)) + _box(b"colr", b"\1\0\0" + bytes(4))
JP2 = _box(b"jP  ", b"\r\n\x87\n") + _box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + _box(b"jp2h", DESCRIPTION)


@pytest.mark.parametrize("length", ["known", "to the end", "of 64 bits"])
def test_a_jp2_file_around_a_codestream_passes(length: str) -> None:
    stream = jpeg_2000(b"Kakadu-2.2")
    box = _box(b"jp2c", stream)
    if length == "to the end":
        box = bytes(4) + box[4:]
    elif length == "of 64 bits":
        box = struct.pack(">I4sQ", 1, b"jp2c", len(stream) + 16) + stream
    assert refusal(J2K, JP2 + box) is None


@pytest.mark.parametrize("box", [b"xml ", b"uuid"])
def test_text_in_boxes_of_a_jp2_file_is_found(box: bytes) -> None:
    assert (
        refusal(J2K, JP2 + _box(box, b"<patient><name>Smith</name></patient>") + _box(b"jp2c", jpeg_2000()))
        is not None
    )


@pytest.mark.parametrize("inner", [b"xml ", b"Smth"])
def test_text_in_the_header_box_of_a_jp2_file_is_found(inner: bytes) -> None:
    header_box = _box(b"jp2h", DESCRIPTION + _box(inner, b"Smith"))
    assert refusal(J2K, JP2[:32] + header_box + _box(b"jp2c", jpeg_2000())) is not None


def test_a_writer_s_own_box_passes_while_nobody_can_read_in_it() -> None:
    uuid = bytes(range(65, 81))
    for content, passes in (
        (bytes((0, 0, 0, 50)), True),
        (bytes(200), True),
        (bytes(300), False),
        (b"\0Ada.", False),
    ):
        stream = JP2 + _box(b"uuid", uuid + content) + _box(b"jp2c", jpeg_2000())
        assert (refusal(J2K, stream) is None) is passes


def test_a_box_behind_the_codestream_is_found_however_long_it_is() -> None:
    stream = jpeg_2000() + bytes(10_000)
    assert refusal(J2K, JP2 + _box(b"jp2c", stream)) is None
    assert refusal(J2K, JP2 + _box(b"jp2c", stream) + _box(b"xml ", b"<name>Smith</name>")) is not None


def test_a_comment_of_the_codestream_in_a_jp2_file_is_found() -> None:
    assert refusal(J2K, JP2 + _box(b"jp2c", jpeg_2000(b"Smith"))) is not None


def test_the_spiff_header_of_jpeg_ls_is_no_text() -> None:
    spiff = b"SPIFF\0\2\0\0\3\0\0\0d\0\0\0d\n\x08\6\2\0\0\0%\0\0\0%"
    assert refusal(JPEG_LS, jpeg(segment(0xFFE8, spiff))) is None
