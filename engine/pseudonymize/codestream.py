"""Text inside compressed frames: comment and application segments of JPEG, JPEG-LS and JPEG 2000 streams, and boxes of JP2 files
(design: rule 13).

Only what stands before the first entropy-coded byte is read. What codecs write of themselves is known and passes; anything else is
free text that no header rule has seen.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from functools import partial

from engine.errors import Refusal

_UID = "1.2.840.10008.1.2.4."
JPEG = frozenset(f"{_UID}{number}" for number in (*range(50, 67), 70, 80, 81))
JPEG_2000 = frozenset(f"{_UID}{number}" for number in (90, 91, 92, 93, 201, 202, 203))

Segments = Callable[[bytes], list[bytes] | None]

_HEAD = 4096
_LONGEST_HEAD = 256 << 10
_ITEM = struct.Struct("<HHI")
_BOX = struct.Struct(">I4s")
_SOI, _SOC = b"\xff\xd8", b"\xff\x4f"
_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
_STRUCTURE = frozenset({b"ftyp", b"rreq"})
_LONGEST_LIST = 256  # bytes: of brands, or of the features that a reader needs
_COLOUR = frozenset({b"ihdr", b"bpcc", b"colr", b"pclr", b"cmap", b"cdef", b"res "})
_UUID = 16  # bytes
_READABLE = re.compile(rb"[\x20-\x7e\x80-\xff]{4}")
_COM, _SOS, _EOI = 0xFE, 0xDA, 0xD9
_J2K_COM, _SOT, _SOD = 0x64, 0x90, 0x93
_CODECS = frozenset(
    """accusoft avlt aware charls dcmjpeg dcmtk gdcm ge grok ijg intel jasper jpeg kakadu kdu lavc lead libjpeg matlab mediainfo
    merge mitra openjpeg openjph pegasus philips pictools siemens""".split()  # noqa: SIM905 (one a line fills a page)
)
_BESIDE = frozenset(
    """build by bytes codec compressor corp corporation created creator d delta dicom e encoder gmbh healthcare imaging inc info j2k
    jpeg2000 l layer lib library linux log lossless lossy ls ltd medical mse pro release software standard systems technologies
    toolkit turbo ver version win windows""".split()  # noqa: SIM905
)
_PIECES = re.compile(r"[A-Za-z]+[0-9]*|[0-9]+")
_SUFFIX = re.compile(r"(?<=[a-z])[0-9]{1,3}$")
_VERSION = re.compile(r"v?[0-9]{1,3}|[0-9]{1,3}[a-z]?|r[0-9]{1,6}")


def check_frames(fd: int, first_item: int, end: int, transfer_syntax: str) -> None:
    """Looks into each frame of encapsulated PixelData whose items stand from `first_item` to `end` (byte offsets).

    Raises Refusal `pixel-text` with the offset of the frame; nothing of the text is told.
    """
    if transfer_syntax not in JPEG | JPEG_2000:
        return
    is_jpeg = transfer_syntax in JPEG
    starts = (_SOI,) if is_jpeg else (_SOC, _SIGNATURE)
    pos, seen = first_item, 0
    while pos + 8 <= end:
        head = os.pread(fd, _HEAD, pos)
        _, element, length = _ITEM.unpack_from(head)
        if element != 0xE000:
            return
        # The first item is the offset table; the first fragment begins a frame, the others may go on with one.
        if (seen == 1 and length) or head[8:].startswith(starts):
            segments = jpeg_text if is_jpeg else partial(jpeg_2000_text, size=length)
            _check_frame(fd, pos + 8, length, head[8 : 8 + length], segments)
        seen += 1
        pos += 8 + length


def _check_frame(fd: int, at: int, length: int, head: bytes, segments: Segments) -> None:
    found = segments(head)
    if found is None:  # the stream's head is longer than what was read
        found = segments(os.pread(fd, min(length, _LONGEST_HEAD), at))
    if found is None or not all(map(is_of_a_codec, found)):
        raise Refusal(
            "pixel-text",
            "a compressed frame carries a comment or an application segment, or does not begin as one",
            hint="have the sender write frames without them",
            offset=at,
            tag=0x7FE00010,
        )


def is_of_a_codec(text: bytes) -> bool:
    """Whether a comment is nothing but a codec's name, its version, and the few words that codecs put beside them."""
    words = [word.lower() for word in _PIECES.findall(text.decode("latin-1").replace("_", " "))]
    if not words:
        return not text.strip(b"\0 ")
    names = [word for word in words if _name_of(word) in _CODECS]
    others = [
        word for word in words if _name_of(word) not in _CODECS | _BESIDE and not _VERSION.fullmatch(word)
    ]
    return bool(names) and not others and text.isascii()


def _name_of(word: str) -> str:
    """A word without the version that stands behind it: Lavc58."""
    return word if word in _BESIDE else _SUFFIX.sub("", word)


def jpeg_text(stream: bytes) -> list[bytes] | None:
    """What COM and APPn segments of a JPEG or JPEG-LS stream (ITU-T T.81 B.2.4) say, without the headers that every decoder
    needs (JFIF, Adobe, SPIFF, ICC profiles); None if `stream` is none or ends before its first scan."""
    if not stream.startswith(_SOI):
        return None
    found: list[bytes] = []
    pos = 2
    while pos + 4 <= len(stream):
        if stream[pos] != 0xFF:
            return None
        marker = stream[pos + 1]
        if marker == 0xFF:
            pos += 1
            continue
        if marker in (_SOS, _EOI):
            return found
        (length,) = struct.unpack_from(">H", stream, pos + 2)
        if pos + 2 + length > len(stream):
            return None
        segment = stream[pos + 4 : pos + 2 + length]
        if marker == _COM or (0xE0 <= marker <= 0xEF and not _is_plain(marker, segment)):
            found.append(segment)
        pos += 2 + length
    return None


def _is_plain(marker: int, segment: bytes) -> bool:
    """APP0 of JFIF (or of its lossless copy) without a thumbnail, APP14 of Adobe, APP2 with a colour profile, APP8 of
    JPEG-LS colour transforms and of SPIFF (ITU-T T.84), whose 30 bytes are numbers."""
    return (
        (marker == 0xE0 and segment[:5] in (b"JFIF\0", b"LJIF\0") and len(segment) in (13, 14))
        or (marker == 0xEE and segment.startswith(b"Adobe") and len(segment) == 12)
        or (marker == 0xE2 and segment.startswith(b"ICC_PROFILE\0"))
        or (marker == 0xE8 and segment.startswith(b"mrfx") and len(segment) == 5)
        or (marker == 0xE8 and segment.startswith(b"SPIFF\0") and len(segment) == 30)
    )


def jpeg_2000_text(stream: bytes, size: int) -> list[bytes] | None:
    """What COM segments of a JPEG 2000 main header (ITU-T T.800 A.9.2) say, and what boxes of a JP2 file around it (I.5)
    besides those that describe the image; None if `stream`, the first bytes of an item of `size` bytes, is neither or ends before
    its first tile."""
    if not stream.startswith(_SIGNATURE):
        return _codestream_text(stream)
    found: list[bytes] = []
    pos = len(_SIGNATURE)
    while pos + 8 <= len(stream):
        length, kind = _BOX.unpack_from(stream, pos)
        if kind == b"jp2c":
            inside = _codestream_text(stream[pos + (16 if length == 1 else 8) :])
            if inside is not None and 8 <= length < size - pos - 1:
                inside.append(b"boxes behind the codestream")
            return None if inside is None else found + inside
        if length < 8 or pos + length > len(stream):
            return None
        if not _is_structure(kind, stream[pos + 8 : pos + length]):
            found.append(stream[pos : pos + length])
        pos += length
    return None


def _is_structure(kind: bytes, content: bytes) -> bool:
    """Whether a box describes the image, or is a writer's own in which nobody can read anything."""
    if kind == b"uuid":
        return len(content) <= _LONGEST_LIST and _READABLE.search(content, _UUID) is None
    if kind != b"jp2h":
        return kind in _STRUCTURE and len(content) <= _LONGEST_LIST
    pos = 0
    while pos + 8 <= len(content):
        length, inner = _BOX.unpack_from(content, pos)
        if inner not in _COLOUR or length < 8:
            return False
        pos += length
    return pos == len(content)


def _codestream_text(stream: bytes) -> list[bytes] | None:
    if not stream.startswith(_SOC):
        return None
    found: list[bytes] = []
    pos = 2
    while pos + 4 <= len(stream):
        if stream[pos] != 0xFF:
            return None
        marker = stream[pos + 1]
        if marker in (_SOT, _SOD):
            return found
        (length,) = struct.unpack_from(">H", stream, pos + 2)
        if pos + 2 + length > len(stream):
            return None
        if marker == _J2K_COM:
            found.append(stream[pos + 6 : pos + 2 + length])
        pos += 2 + length
    return None
