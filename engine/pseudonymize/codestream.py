"""Text inside compressed frames: comment and application segments of JPEG, JPEG-LS and JPEG 2000 streams (design: rule 13).

Only what stands before the first entropy-coded byte is read. What codecs write of themselves is known and passes; anything else is
free text that no header rule has seen.
"""

from __future__ import annotations

import os
import re
import struct

from engine.errors import Refusal

JPEG = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81))
JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 92, 93, 201, 202, 203))

_HEAD = 4096
_LONGEST_HEAD = 256 << 10
_ITEM = struct.Struct("<HHI")
_SOI, _SOC = b"\xff\xd8", b"\xff\x4f"
_COM, _SOS, _EOI = 0xFE, 0xDA, 0xD9
_J2K_COM, _SOT, _SOD = 0x64, 0x90, 0x93
_CODECS = re.compile(
    rb"(?i)\s*(creat(ed|or)[: ]+(by )?)?"
    rb"(lead technologies|lavc|gdcm|kakadu|kdu|mitra|jpeg pro|openjpeg|openjph|ijg|libjpeg|jasper|aware|accusoft|pegasus|"
    rb"intel|matlab|dcmtk|dcmjpeg|charls|mediainfo|grok|pictools|merge|ge healthcare|siemens|philips)"
    rb"[\w\s.,:;/()+\-]{0,60}\0*"
)


def check_frames(fd: int, first_item: int, end: int, transfer_syntax: str) -> None:
    """Looks into each frame of encapsulated PixelData whose items stand from `first_item` to `end` (byte offsets).

    Raises Refusal `pixel-text` with the offset of the frame; nothing of the text is told.
    """
    if transfer_syntax in JPEG:
        start, segments = _SOI, jpeg_text
    elif transfer_syntax in JPEG_2000:
        start, segments = _SOC, jpeg_2000_text
    else:
        return
    pos = first_item
    while pos + 8 <= end:
        head = os.pread(fd, _HEAD, pos)
        _, element, length = _ITEM.unpack_from(head)
        if element != 0xE000:
            return
        if head[8:10] == start:
            found = segments(head[8 : 8 + length])
            if found is None:  # the stream's head is longer than what was read
                found = segments(os.pread(fd, min(length, _LONGEST_HEAD), pos + 8))
            if found is None or not all(map(is_of_a_codec, found)):
                raise Refusal(
                    "pixel-text",
                    "a compressed frame carries a comment or an application segment",
                    hint="have the sender write frames without them",
                    offset=pos + 8,
                    tag=0x7FE00010,
                )
        pos += 8 + length


def is_of_a_codec(text: bytes) -> bool:
    """Whether a comment is nothing but a codec's name, version and settings."""
    return not text.strip(b"\0 ") or _CODECS.fullmatch(text) is not None


def jpeg_text(stream: bytes) -> list[bytes] | None:
    """What COM and APPn segments of a JPEG or JPEG-LS stream (ITU-T T.81 B.2.4) say, without the headers that every decoder
    needs (JFIF, Adobe, ICC profiles); None if `stream` ends before its first scan."""
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
    JPEG-LS colour transforms."""
    return (
        (marker == 0xE0 and segment[:5] in (b"JFIF\0", b"LJIF\0") and len(segment) in (13, 14))
        or (marker == 0xEE and segment.startswith(b"Adobe") and len(segment) == 12)
        or (marker == 0xE2 and segment.startswith(b"ICC_PROFILE\0"))
        or (marker == 0xE8 and segment.startswith(b"mrfx"))
    )


def jpeg_2000_text(stream: bytes) -> list[bytes] | None:
    """What COM segments of a JPEG 2000 main header (ITU-T T.800 A.9.2) say; None if `stream` ends before its first tile."""
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
