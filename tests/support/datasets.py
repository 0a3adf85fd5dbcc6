"""Data sets byte by byte, in any syntax of PS3.5 section 7: what the cores are fed with, made without them.

Nothing here uses the cores, so that a mistake of theirs cannot hide itself. Values are bytes as they stand in little
endian; in big endian the numbers are swapped by VR.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010

# PS3.5 table 7.1-1: the VRs whose length has 32 bits where the VR is explicit.
LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
NUMBER_BYTES = {"AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4}
NUMBER_BYTES |= {"FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8}
TEXT_VRS = (
    "AE",
    "AS",
    "CS",
    "DA",
    "DS",
    "DT",
    "IS",
    "LO",
    "LT",
    "PN",
    "SH",
    "ST",
    "TM",
    "UC",
    "UI",
    "UR",
    "UT",
)
VRS = tuple(sorted({*TEXT_VRS, *LONG_VRS, *NUMBER_BYTES}))


@dataclass(frozen=True, slots=True)
class Syntax:
    """How elements are written; `bits` is what the cores take: 1 explicit VR, 2 big endian."""

    uid: str
    explicit: bool
    big: bool = False

    @property
    def bits(self) -> int:
        return int(self.explicit) | int(self.big) << 1

    @property
    def name(self) -> str:
        return ("explicit" if self.explicit else "implicit") + ("-big" if self.big else "-little")

    def pack(self, layout: str, *values: int) -> bytes:
        """`struct.pack` in this byte order."""
        return struct.pack((">" if self.big else "<") + layout, *values)


IMPLICIT = Syntax("1.2.840.10008.1.2", explicit=False)
EXPLICIT = Syntax("1.2.840.10008.1.2.1", explicit=True)
BIG = Syntax("1.2.840.10008.1.2.2", explicit=True, big=True)
SYNTAXES = (IMPLICIT, EXPLICIT, BIG)


@dataclass(frozen=True, slots=True)
class Element:
    """One element. `value`: bytes, or the items of a sequence, or the fragments of encapsulated pixel data.

    `length` says something else than the truth; `defined` and `items_defined` choose the form of a sequence and its items;
    `content` is the syntax inside, where a UN holds another one than the data set around it; `fragments` makes `value` a
    list of byte strings.
    """

    tag: int
    vr: str
    value: bytes | Sequence[Sequence[Element]] = b""
    length: int | None = None
    defined: bool = True
    items_defined: bool = True
    content: Syntax | None = None
    fragments: tuple[bytes, ...] | None = None


def header(tag: int, vr: str, length: int, syntax: Syntax) -> bytes:
    """The header of an element; items and delimiters state no VR."""
    at = syntax.pack("HH", tag >> 16, tag & 0xFFFF)
    if not syntax.explicit or tag >> 16 == 0xFFFE:
        return at + syntax.pack("I", length)
    if vr in LONG_VRS:
        return at + vr.encode() + b"\0\0" + syntax.pack("I", length)
    return at + vr.encode() + syntax.pack("H", length)


def swapped(vr: str, value: bytes) -> bytes:
    """A binary value in the other byte order."""
    size = NUMBER_BYTES.get(vr, 1)
    return b"".join(value[i : i + size][::-1] for i in range(0, len(value), size))


def encode(elements: Iterable[Element], syntax: Syntax) -> bytes:
    """The elements as bytes, in the order given, values unpadded as they are."""
    return b"".join(_element(element, syntax) for element in elements)


def _element(element: Element, syntax: Syntax) -> bytes:
    inside = element.content or syntax
    if element.fragments is not None:
        body = b"".join(header(ITEM, "", len(part), inside) + part for part in element.fragments)
    elif isinstance(element.value, bytes):
        body = swapped(element.vr, element.value) if syntax.big else element.value
    else:
        body = b"".join(item(encode(x, inside), inside, defined=element.items_defined) for x in element.value)
    undefined = not element.defined or element.fragments is not None
    if undefined:
        body += header(SEQUENCE_END, "", 0, inside)
    length = element.length
    if length is None:
        length = UNDEFINED if undefined else len(body)
    return header(element.tag, element.vr, length, syntax) + body


def item(content: bytes, syntax: Syntax, *, defined: bool = True) -> bytes:
    """An item around encoded elements."""
    if defined:
        return header(ITEM, "", len(content), syntax) + content
    return header(ITEM, "", UNDEFINED, syntax) + content + header(ITEM_END, "", 0, syntax)


def nested(
    levels: int, inner: Sequence[Element], *, tag: int = 0x00081140, defined: bool = True, vr: str = "SQ"
) -> Element:
    """Sequences in sequences, `levels` of them, around the elements `inner`."""
    content = list(inner)
    for _ in range(levels):
        content = [Element(tag, vr, [content], defined=defined, items_defined=defined)]
    return content[0]


def part10(data: bytes, syntax_uid: str, *, preamble: bytes | None = bytes(128), **meta: Any) -> bytes:
    """A file (PS3.10 7.1) around an encoded data set. `meta`: sop_class, sop_instance, extra (elements, after the syntax),
    group_length (a false one), transfer_syntax=False (left out)."""
    group = [Element(0x00020001, "OB", b"\0\1")]
    if meta.get("sop_class"):
        group.append(Element(0x00020002, "UI", even(meta["sop_class"], b"\0")))
    if meta.get("sop_instance"):
        group.append(Element(0x00020003, "UI", even(meta["sop_instance"], b"\0")))
    if meta.get("transfer_syntax", True):
        group.append(Element(0x00020010, "UI", even(syntax_uid.encode(), b"\0")))
    group += meta.get("extra", ())
    body = encode(group, EXPLICIT)
    length = Element(0x00020000, "UL", struct.pack("<I", meta.get("group_length", len(body))))
    return (b"" if preamble is None else preamble + b"DICM") + encode([length], EXPLICIT) + body + data


def even(value: bytes, pad: bytes = b" ") -> bytes:
    """`value` padded to even length."""
    return value + pad if len(value) & 1 else value


def exact(data: bytes) -> memoryview:
    """The bytes in memory of just that size, so that AddressSanitizer sees each byte read behind them."""
    import ctypes

    if not data:
        return memoryview(b"")
    return memoryview((ctypes.c_uint8 * len(data)).from_buffer_copy(data)).cast("B")


def read(data: bytes, syntax: Syntax) -> Dataset:
    """The data set as pydicom reads it."""
    return read_dataset(BytesIO(data), not syntax.explicit, not syntax.big)


def read_file(data: bytes) -> Dataset:
    """The file as pydicom reads it."""
    return dcmread(BytesIO(data))


def with_value(element: Element, value: bytes) -> Element:
    """The same element with another value."""
    return replace(element, value=value)
