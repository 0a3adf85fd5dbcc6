"""What the fuzzer begins with: small objects of every form, and files that the caller names."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from engine.dicom.sample import Shape, study
from tests.support.datasets import (
    BIG,
    EXPLICIT,
    IMPLICIT,
    SYNTAXES,
    Element,
    Syntax,
    encode,
    nested,
    part10,
)

LARGEST = 1 << 16
"""Bytes of an input; of a larger file the beginning is taken, which ends inside its pixels."""

CT = b"1.2.840.10008.5.1.4.1.1.2"


def _code(value: bytes, scheme: bytes) -> list[Element]:
    return [
        Element(0x00080100, "SH", value),
        Element(0x00080102, "SH", scheme),
        Element(0x00080104, "LO", b"Meaning "),
    ]


def every_form(syntax: Syntax) -> bytes:
    """A data set in which nearly every way through the rewriter is gone."""
    uid = Element(0x00081155, "UI", b"1.2.3\\1.4")
    person = [Element(0x00100010, "PN", b"Smith^John"), Element(0x00100020, "LO", b"P-1 ")]
    deep = nested(5, [uid, *person], defined=False)
    concept = [
        Element(0x0040A043, "SQ", [_code(b"121005", b"DCM ")]),
        Element(0x0040A160, "UT", b"John Smith"),
    ]
    unknown = Element(0x00081140, "UN", [[uid]], defined=False, items_defined=False, content=IMPLICIT)
    elements = [
        Element(0x00080000, "UL", struct.pack("<I", 300)),
        Element(0x00080005, "CS", b"ISO_IR 192"),
        Element(0x00080016, "UI", CT + b"\0"),
        Element(0x00080018, "UI", b"1.2.3.4 "),
        Element(0x00080020, "DA", b"20200229"),
        Element(0x00080050, "SH", b"A-1 "),
        Element(0x00081032, "SQ", [_code(b"1", b"DCM "), _code(b"2", b"99X ")], defined=False),
        Element(0x00081110, "SQ", [[uid, deep], []], items_defined=False),
        *([unknown] if syntax.explicit else []),
        *person,
        Element(0x00101010, "AS", b"094Y"),
        Element(0x00190010, "LO", b"SIEMENS MR HEADER "),
        Element(0x0019100C, "IS", b"1000"),
        Element(0x0020000D, "UI", b"1.2.3"),
        Element(0x00280010, "US", b"\2\0"),
        Element(0x0040A730, "SQ", [concept, [deep]], items_defined=False),
        Element(0x00880200, "SQ", [[Element(0x7FE00010, "OB", fragments=(b"", b"ab"))]], defined=False),
        Element(0x60000022, "LO", b"Smith "),
        Element(0x7FE00010, "OW", bytes(32)),
        Element(0xFFFAFFFA, "SQ", [person]),
        Element(0xFFFCFFFC, "OB", b"\0\0"),
    ]
    return encode(elements, syntax)


def files(more: Iterable[Path] = ()) -> list[bytes]:
    """Part 10 files: the forms above, the sample study, and all files under `more`."""
    found = [
        part10(every_form(syntax), syntax.uid, sop_class=CT, sop_instance=b"1.2.3.4") for syntax in SYNTAXES
    ]
    found.append(part10(every_form(EXPLICIT), EXPLICIT.uid, preamble=None, group_length=7))
    encapsulated = encode([Element(0x00080016, "UI", CT + b"\0")], EXPLICIT)
    encapsulated += encode([Element(0x7FE00010, "OB", fragments=(b"", b"\xff\xd8abcd"))], EXPLICIT)
    found.append(
        part10(
            encapsulated + encode([Element(0xFFFCFFFC, "OB", b"\0\0")], EXPLICIT), "1.2.840.10008.1.2.4.50"
        )
    )
    found.append(part10(deflated(every_form(EXPLICIT)), "1.2.840.10008.1.2.1.99", sop_class=CT))
    found += [_written(dataset) for dataset in study(shape=Shape(slices=1, size=16))]
    for place in more:
        paths = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        found += [path.read_bytes()[:LARGEST] for path in paths if path.suffix not in (".md", ".csv")]
    return found


def deflated(data: bytes) -> bytes:
    """A raw deflate stream."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def _written(dataset: Dataset) -> bytes:
    target = io.BytesIO()
    dcmwrite(target, dataset, enforce_file_format=True)
    return target.getvalue()


def streams() -> list[bytes]:
    """Deflate streams, among them one that becomes ten thousand times as long."""
    plain = [
        b"",
        b"abc" * 500,
        every_form(EXPLICIT),
        every_form(BIG),
        bytes(1 << 20),
        bytes((256 << 10) + 21),
    ]
    return [deflated(data) for data in plain] + [zlib.compress(plain[1]), b"\x03\x00" * 20]


def connections() -> list[bytes]:
    """What a peer may send: an association request, C-STORE in several fragments, release, abort."""
    command = encode(
        [
            Element(0x00000002, "UI", CT + b"\0"),
            Element(0x00000100, "US", b"\1\0"),
            Element(0x00000110, "US", b"\1\0"),
            Element(0x00000700, "US", b"\0\0"),
            Element(0x00000800, "US", b"\1\0"),
            Element(0x00001000, "UI", b"1.2.3.4\0"),
        ],
        IMPLICIT,
    )
    command = encode([Element(0x00000000, "UL", struct.pack("<I", len(command)))], IMPLICIT) + command
    data = every_form(EXPLICIT)
    stream = _pdu(
        1, struct.pack(">HH", 1, 0) + b"PENSTOCK".ljust(16) + b"MODALITY".ljust(16) + bytes(32) + _items()
    )
    stream += _pdu(4, _pdv(1, 3, command))
    stream += b"".join(_pdu(4, _pdv(1, 0, data[at : at + 300])) for at in range(0, len(data), 300))
    stream += _pdu(4, _pdv(1, 2, b"")) + _pdu(5, bytes(4))
    several = _pdu(
        4, _pdv(1, 1, command[:20]) + _pdv(1, 3, command[20:]) + _pdv(1, 0, data) + _pdv(1, 2, data)
    )
    return [
        stream,
        several * 3,
        _pdu(6, bytes(4)) + _pdu(7, bytes(4)),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01" * 20,
    ]


def _pdu(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(content)) + content


def _pdv(context: int, flags: int, content: bytes) -> bytes:
    return struct.pack(">IBB", len(content) + 2, context, flags) + content


def _items() -> bytes:
    def item(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(content)) + content

    context = item(0x20, b"\1\0\0\0" + item(0x30, CT) + item(0x40, b"1.2.840.10008.1.2.1"))
    return item(0x10, b"1.2.840.10008.3.1.1.1") + context + item(0x50, item(0x51, struct.pack(">I", 16384)))
