"""Plants outside of what a reader of data sets looks at: preamble, file meta, groups that have no place in a data set, what
follows the pixel data, and bytes that belong to nothing."""

from __future__ import annotations

from tests.leaks.plant import EXPLICIT_ONLY, Plant, identifier, surname, text, uid
from tests.support.datasets import Element, even


def _meta(name: str, tag: int, vr: str, value: str = "") -> Plant:
    value = value or surname(name).upper()
    check = "uid" if vr == "UI" else "text"
    return Plant(name, "file meta information", (value,), meta=(text(tag, vr, value),), check=check)


def _behind(name: str, place: str, tag: int, vr: str, value: str = "") -> Plant:
    value = value or surname(name)
    return Plant(name, place, (value,), behind=(text(tag, vr, value),))


PLANTS = (
    Plant(
        "preamble",
        "preamble",
        (surname("preamble"),),
        preamble=b"II*\0\x08\0\0\0 " + surname("preamble").encode(),
    ),
    _meta("meta-source-ae", 0x00020016, "AE"),
    _meta("meta-sending-ae", 0x00020017, "AE"),
    _meta("meta-receiving-ae", 0x00020018, "AE"),
    _meta("meta-source-address", 0x00020026, "UR"),
    _meta("meta-implementation-version", 0x00020013, "SH"),
    _meta("meta-unknown", 0x00020199, "LO"),
    Plant(
        "meta-private-information",
        "file meta private information",
        (surname("meta-private"),),
        meta=(
            text(0x00020100, "UI", "1.2.826.0.1.3680043.10.1471.9"),
            text(0x00020102, "OB", surname("meta-private")),
        ),
    ),
    Plant(
        "group-0000-move-destination",
        "command group in a data set",
        (surname("group-0000").upper(),),
        elements=(text(0x00000600, "AE", surname("group-0000").upper()),),
    ),
    Plant(
        "group-0002-in-data-set",
        "file meta group in a data set",
        (surname("group-0002").upper(),),
        elements=(text(0x00020016, "AE", surname("group-0002").upper()),),
        alone=True,
        refused={"implicit": "bad-vr"},
    ),
    Plant(
        "group-0004-file-set-id",
        "directory group in an image",
        (surname("group-0004").upper(),),
        elements=(text(0x00041130, "CS", surname("group-0004").upper()),),
    ),
    Plant(
        "group-0004-file-id",
        "directory group in an image",
        (surname("group-0004-file").upper(),),
        elements=(text(0x00041500, "CS", "IMAGES\\" + surname("group-0004-file").upper()),),
    ),
    Plant(
        "group-length-text",
        "group length element",
        (surname("group-length"),),
        elements=(text(0x00100000, "LO", surname("group-length")),),
    ),
    Plant(
        "group-length-of-a-private-group",
        "group length element",
        (surname("group-length-private"),),
        elements=(text(0x00290000, "LO", surname("group-length-private")),),
    ),
    _behind("behind-trailing-padding", "data set trailing padding", 0xFFFCFFFC, "OB"),
    Plant(
        "behind-digital-signature",
        "digital signatures sequence",
        (surname("signature"),),
        behind=(
            Element(
                0xFFFAFFFA,
                "SQ",
                [[Element(0x04000115, "OB", even(b"0\x82CN=" + surname("signature").encode()))]],
            ),
        ),
    ),
    _behind("behind-private", "private element behind the pixel data", 0x7FE11001, "LO"),
    Plant(
        "behind-private-with-creator",
        "private element behind the pixel data",
        (surname("behind-private-2"),),
        behind=(text(0x7FE10010, "LO", "ACME 1.0"), text(0x7FE11002, "UT", surname("behind-private-2"))),
    ),
    _behind("behind-name", "out-of-order element behind the pixel data", 0x00100010, "PN"),
    _behind(
        "behind-id", "out-of-order element behind the pixel data", 0x00100020, "LO", identifier("behind")
    ),
    _behind("behind-comment", "out-of-order element behind the pixel data", 0x00204000, "LT"),
    Plant(
        "behind-nested-name",
        "sequence behind the pixel data",
        (surname("behind-nested"),),
        behind=(
            Element(0x00540016, "SQ", [[text(0x00081070, "PN", surname("behind-nested"))]], defined=False),
        ),
    ),
    Plant(
        "behind-uid",
        "out-of-order element behind the pixel data",
        (uid("behind-uid"),),
        behind=(text(0x00200052, "UI", uid("behind-uid")),),
        check="uid",
    ),
    Plant(
        "order-name-early",
        "element out of order",
        (surname("order-early"),),
        elements=(text(0x00204000, "LT", "x"), text(0x00101001, "PN", surname("order-early"))),
        alone=True,
    ),
    Plant(
        "duplicate-name",
        "the same attribute twice",
        (surname("twice-1"), surname("twice-2")),
        elements=(
            text(0x00101005, "PN", surname("twice-1")),
            text(0x00101005, "PN", surname("twice-2")),
        ),
        alone=True,
    ),
    Plant(
        "duplicate-id",
        "the same attribute twice",
        (identifier("twice-1"), identifier("twice-2")),
        elements=(
            text(0x00100020, "LO", identifier("twice-1")),
            text(0x00100020, "LO", identifier("twice-2")),
        ),
        alone=True,
    ),
    Plant(
        "trailing-bytes",
        "raw bytes after the last element",
        (surname("trailing"),),
        trailing=b"\0\0\0\0" + surname("trailing").encode() + bytes(7),
        alone=True,
        refused={**dict.fromkeys(EXPLICIT_ONLY, "bad-vr"), "implicit": "truncated"},
    ),
    Plant(
        "trailing-few-bytes",
        "raw bytes after the last element",
        (surname("trailing-few")[:7],),
        trailing=surname("trailing-few")[:7].encode(),
        alone=True,
    ),
)
