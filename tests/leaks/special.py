"""Plants that need an object of their own: text in other character sets, structured reports, documents, compressed frames."""

from __future__ import annotations

import struct

from tests.leaks.plant import UNCOMPRESSED, Plant, day, identifier, sequence, surname, text, uid
from tests.support.datasets import Element, even

ENCAPSULATED = frozenset({"encapsulated"})


def _charset(name: str, charset: str, codec: str, value: str, tag: int = 0x00100010, vr: str = "PN") -> Plant:
    return Plant(
        name,
        f"text in {charset or 'ASCII'}",
        (value,),
        (text(0x00080005, "CS", charset), text(tag, vr, value, codec)),
        alone=True,
    )


CHARSETS = (
    _charset("latin-1-name", "ISO_IR 100", "latin-1", "Mößbauer-Ågren"),
    _charset("latin-1-comment", "ISO_IR 100", "latin-1", "père Lefèvre-Çelik", 0x00204000, "LT"),
    _charset("cyrillic-name", "ISO_IR 144", "iso8859_5", "Люксембург"),
    _charset("utf-8-name", "ISO_IR 192", "utf-8", "Wałęsa-Škvorecký"),
    _charset("utf-8-description", "ISO_IR 192", "utf-8", "Θωμαΐς", 0x0008103E, "LO"),
    _charset("gb18030-name", "GB18030", "gb18030", "王小东明"),
    _charset("japanese-name", "\\ISO 2022 IR 87", "iso2022_jp", "山田太郎"),
    _charset("japanese-comment", "\\ISO 2022 IR 87", "iso2022_jp", "鈴木一朗", 0x00204000, "LT"),
    Plant(
        "three-groups-name",
        "component groups of a name",
        ("Kobayashikawa", "小林川", "こばやしかわ"),
        (
            text(0x00080005, "CS", "ISO_IR 192"),
            text(0x00100010, "PN", "Kobayashikawa^Jiro=小林川^次郎=こばやしかわ^じろう", "utf-8"),
        ),
        alone=True,
    ),
    Plant(
        "nested-charset",
        "character set of an item",
        ("Łukaszewicz",),
        (
            sequence(
                0x00540016,
                (text(0x00080005, "CS", "ISO_IR 192"), text(0x00204000, "LT", "Łukaszewicz", "utf-8")),
            ),
        ),
        alone=True,
    ),
)


def _content(kind: str, *value: Element) -> Element:
    """A content item of a structured report."""
    return sequence(
        0x0040A730,
        (
            text(0x0040A010, "CS", "CONTAINS"),
            text(0x0040A040, "CS", kind),
            sequence(
                0x0040A043,
                (
                    text(0x00080100, "SH", "121071"),
                    text(0x00080102, "SH", "DCM"),
                    text(0x00080104, "LO", "Finding"),
                ),
            ),
            *value,
        ),
    )


def _report(
    kind: str, name: str, *value: Element, values: tuple[str, ...] = (), check: str = "text"
) -> Plant:
    found = values or (surname(name),)
    content = _content(kind, *value)
    return Plant(
        name,
        f"report: {kind} item",
        found,
        (content,),
        base="report",
        check=check,
        syntaxes=UNCOMPRESSED,
        alone=True,
    )


REPORTS = (
    _report("TEXT", "report-text", text(0x0040A160, "UT", "as discussed with " + surname("report-text"))),
    _report("PNAME", "report-name", text(0x0040A123, "PN", surname("report-name"))),
    _report(
        "UIDREF",
        "report-uid",
        text(0x0040A124, "UI", uid("report-uid")),
        values=(uid("report-uid"),),
        check="uid",
    ),
    _report(
        "DATE", "report-date", text(0x0040A121, "DA", day("report")), values=(day("report"),), check="date"
    ),
    _report(
        "DATETIME",
        "report-datetime",
        text(0x0040A120, "DT", day("report-dt")),
        values=(day("report-dt"),),
        check="date",
    ),
    _report(
        "CODE",
        "report-code",
        sequence(
            0x0040A168,
            (
                text(0x00080100, "SH", "W-1"),
                text(0x00080102, "SH", "99LOCAL"),
                text(0x00080104, "LO", surname("report-code")),
            ),
        ),
    ),
    _report(
        "IMAGE",
        "report-image",
        sequence(
            0x00081199,
            (
                text(0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2"),
                text(0x00081155, "UI", uid("report-image")),
            ),
        ),
        values=(uid("report-image"),),
        check="uid",
    ),
    Plant(
        "report-observer",
        "report: verifying observer",
        (surname("observer"), surname("observer-org")),
        (
            sequence(
                0x0040A073,
                (
                    text(0x0040A027, "LO", surname("observer-org")),
                    text(0x0040A075, "PN", surname("observer")),
                    text(0x0040A030, "DT", "20200101"),
                ),
            ),
        ),
        base="report",
        syntaxes=UNCOMPRESSED,
        alone=True,
    ),
    Plant(
        "report-evidence",
        "report: evidence",
        (uid("evidence-study"), uid("evidence")),
        (
            sequence(
                0x0040A375,
                (
                    sequence(
                        0x00081115,
                        (
                            sequence(
                                0x00081199,
                                (
                                    text(0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2"),
                                    text(0x00081155, "UI", uid("evidence")),
                                ),
                            ),
                        ),
                    ),
                    text(0x0020000D, "UI", uid("evidence-study")),
                ),
            ),
        ),
        base="report",
        check="uid",
        syntaxes=UNCOMPRESSED,
        alone=True,
    ),
)

PDF = b"%PDF-1.4\n(" + surname("pdf").encode() + b") Tj\n%%EOF\n"
DOCUMENTS = (
    Plant(
        "document-pdf",
        "encapsulated document",
        (surname("pdf"), surname("pdf-title"), identifier("hl7")),
        (
            text(0x00420010, "ST", surname("pdf-title")),
            Element(0x00420011, "OB", even(PDF, b"\0")),
            text(0x0040E001, "ST", identifier("hl7")),
        ),
        base="document",
        syntaxes=UNCOMPRESSED,
        alone=True,
        refused=dict.fromkeys(UNCOMPRESSED, "document"),
    ),
    Plant(
        "document-in-an-image",
        "encapsulated document",
        (surname("pdf-2"),),
        (Element(0x00420011, "OB", even(b"%PDF-1.4\n(" + surname("pdf-2").encode() + b")", b"\0")),),
    ),
)


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">HH", marker, len(content) + 2) + content


JFIF = _segment(0xFFE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
_FRAME = _segment(0xFFC0, bytes((8, 0, 16, 0, 16, 1, 1, 0x11, 0)))
_SCAN = _segment(0xFFDA, bytes((1, 1, 0, 0, 63, 0))) + bytes(range(1, 200)) + b"\xff\xd9"
JPEG = b"\xff\xd8" + JFIF + _FRAME + _SCAN
"""A stream with the marker segments of ITU-T T.81, and rubbish where the scan is."""

_SIZ = _segment(0xFF51, struct.pack(">HIIIIIIIIH3B", 0, 16, 16, 0, 0, 16, 16, 0, 0, 1, 7, 1, 1))


def jpeg_with(segment: bytes) -> bytes:
    """The JPEG stream with one more segment before its frame header."""
    return b"\xff\xd8" + JFIF + segment + _FRAME + _SCAN


def j2k_with(comment: bytes) -> bytes:
    """The head of a JPEG 2000 stream with a comment."""
    return (
        b"\xff\x4f"
        + _SIZ
        + _segment(0xFF64, b"\0\1" + comment)
        + _segment(0xFF90, bytes(8))
        + bytes(64)
        + b"\xff\xd9"
    )


def _stream(name: str, place: str, stream: bytes, base: str = "image") -> Plant:
    return Plant(
        name,
        place,
        (surname(name),),
        stream=even(stream, b"\0"),
        base=base,
        syntaxes=ENCAPSULATED,
        alone=True,
        refused={"encapsulated": "pixel-text"},
    )


def jp2_with(box: bytes) -> bytes:
    """A JP2 file (ITU-T T.800 Annex I) with one more box before its codestream."""
    start = _box(b"jP  ", b"\r\n\x87\n") + _box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + box + _box(b"jp2c", j2k_with(b"Kakadu-2.2"))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


STREAMS = (
    _stream("jpeg-comment", "JPEG comment", jpeg_with(_segment(0xFFFE, surname("jpeg-comment").encode()))),
    _stream(
        "jpeg-exif",
        "JPEG application segment",
        jpeg_with(_segment(0xFFE1, b"Exif\0\0" + surname("jpeg-exif").encode())),
    ),
    _stream(
        "j2k-comment",
        "JPEG 2000 comment",
        j2k_with(b"taken of " + surname("j2k-comment").encode()),
        "image-j2k",
    ),
    _stream(
        "jp2-xml",
        "box of a JP2 file",
        jp2_with(_box(b"xml ", surname("jp2-xml").encode())),
        "image-j2k",
    ),
    _stream(
        "fragment-of-text",
        "fragment that is no stream",
        b"taken of " + surname("fragment-of-text").encode(),
    ),
)

PLANTS = (*CHARSETS, *REPORTS, *DOCUMENTS, *STREAMS)
