"""Small images whose pixels may carry text, byte by byte, and profiles that say something about them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import cache

from engine.profile import compile_profile
from engine.profile.loader import loads
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.support.datasets import EXPLICIT, PIXEL_DATA, Element, Syntax, encode, even, part10

CT, US, SC = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.7"
ROWS, COLUMNS = 6, 5
STRIP = "regions = [[0, 0, 0, 2]]"


def text(tag: int, vr: str, value: str) -> Element:
    return Element(tag, vr, even(value.encode(), b"\0" if vr == "UI" else b" "))


def us(tag: int, value: int) -> Element:
    return Element(tag, "US", struct.pack("<H", value))


def image(
    sop_class: str = CT,
    more: Iterable[Element] = (),
    *,
    syntax: Syntax = EXPLICIT,
    pixels: bytes | None = None,
    fragments: Sequence[bytes] | None = None,
    vr: str = "OB",
    tail: Iterable[Element] = (),
) -> bytes:
    """A file of ROWS × COLUMNS pixels of one byte, unless `more` says otherwise; `more` takes the place of what has the same tag.

    With `fragments` the pixel data is encapsulated.
    """
    elements = {
        element.tag: element
        for element in (
            text(0x00080008, "CS", "ORIGINAL\\PRIMARY"),
            text(0x00080016, "UI", sop_class),
            text(0x00080018, "UI", "1.2.826.0.1.3680043.10.1471.5.1"),
            text(0x00080060, "CS", "US" if sop_class == US else "CT"),
            text(0x00080070, "LO", "ACME"),
            text(0x00081090, "LO", "Scanner 7"),
            text(0x00100010, "PN", "Kestovic^Ada"),
            text(0x00100020, "LO", "MRN 4471902"),
            text(0x0020000D, "UI", "1.2.826.0.1.3680043.10.1471.5.2"),
            text(0x0020000E, "UI", "1.2.826.0.1.3680043.10.1471.5.3"),
            us(0x00280002, 1),
            text(0x00280004, "CS", "MONOCHROME2"),
            us(0x00280010, ROWS),
            us(0x00280011, COLUMNS),
            us(0x00280100, 8),
            us(0x00280101, 8),
            us(0x00280102, 7),
            us(0x00280103, 0),
            *more,
        )
    }
    body = bytes(range(1, ROWS * COLUMNS + 1)) if pixels is None else pixels
    if fragments is None:
        pixel_data = Element(PIXEL_DATA, vr, body)
    else:
        pixel_data = Element(PIXEL_DATA, "OB", fragments=(b"", *(even(part, b"\0") for part in fragments)))
    ordered = [element for _, element in sorted(elements.items())]
    data = encode([*ordered, pixel_data, *tail], syntax)
    return part10(
        data, syntax.uid, sop_class=sop_class.encode(), sop_instance=b"1.2.826.0.1.3680043.10.1471.5.1"
    )


def region(left: int, top: int, right: int, bottom: int) -> list[Element]:
    """An item of Sequence of Ultrasound Regions (PS3.3 C.8.5.5.1): the edges are inside."""
    edges = zip((0x00186018, 0x0018601A, 0x0018601C, 0x0018601E), (left, top, right, bottom), strict=True)
    return [Element(tag, "UL", struct.pack("<I", edge)) for tag, edge in edges]


def regions(*items: list[Element], defined: bool = True) -> Element:
    return Element(0x00186011, "SQ", items, defined=defined, items_defined=defined)


def device(rule: str) -> str:
    """A profile's text for one device."""
    return f"[[pixels.device]]\n{rule}\n"


@cache
def worker(pixels: str = "", options: str = "") -> Pseudonymizer:
    """A worker for Basic with this `[pixels]` part."""
    head = f'profile = "pixels"\nbase = "ps3.15@2026c/basic"\noptions = [{options}]\n'
    return Pseudonymizer(compile_profile(loads(head + pixels, "pixels.toml")), HashSecret(bytes(range(32))))
