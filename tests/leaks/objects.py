"""Objects that carry plants, byte by byte, in every kind of transfer syntax."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

from tests.leaks.plant import Plant, text
from tests.leaks.special import JPEG
from tests.support.datasets import BIG, EXPLICIT, IMPLICIT, PIXEL_DATA, Element, Syntax, encode, even, part10

SYNTAXES = {
    "implicit": IMPLICIT,
    "explicit": EXPLICIT,
    "big-endian": BIG,
    "deflated": Syntax("1.2.840.10008.1.2.1.99", explicit=True),
    "encapsulated": Syntax("1.2.840.10008.1.2.4.50", explicit=True),
}
J2K = Syntax("1.2.840.10008.1.2.4.90", explicit=True)
CLASSES = {
    "image": "1.2.840.10008.5.1.4.1.1.2",
    "image-j2k": "1.2.840.10008.5.1.4.1.1.2",
    "report": "1.2.840.10008.5.1.4.1.1.88.33",
    "document": "1.2.840.10008.5.1.4.1.1.104.1",
}
INSTANCE = "1.2.826.0.1.3680043.10.1471.1.1"
SIZE = 16
PIXELS = bytes(i * 7 & 0xFF for i in range(2 * SIZE * SIZE))


def _us(tag: int, value: int) -> Element:
    return Element(tag, "US", value.to_bytes(2, "little"))


COMMON = (
    text(0x00080005, "CS", "ISO_IR 100"),
    text(0x00080018, "UI", INSTANCE),
    text(0x00080020, "DA", "20190704"),
    text(0x00080030, "TM", "101500"),
    text(0x00080050, "SH", "CARRIER-ACC"),
    text(0x00080060, "CS", "CT"),
    text(0x00080070, "LO", "ACME"),
    text(0x00080090, "PN", ""),
    text(0x00100010, "PN", "Carrier^Paul"),
    text(0x00100020, "LO", "CARRIER-1"),
    text(0x00100030, "DA", ""),
    text(0x00100040, "CS", "O"),
    text(0x0020000D, "UI", "1.2.826.0.1.3680043.10.1471.1.2"),
    text(0x0020000E, "UI", "1.2.826.0.1.3680043.10.1471.1.3"),
    text(0x00200010, "SH", "CARRIER-STU"),
    text(0x00200011, "IS", "1"),
    text(0x00200013, "IS", "1"),
)
IMAGE = (
    text(0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL"),
    _us(0x00280002, 1),
    text(0x00280004, "CS", "MONOCHROME2"),
    _us(0x00280010, SIZE),
    _us(0x00280011, SIZE),
    _us(0x00280100, 16),
    _us(0x00280101, 16),
    _us(0x00280102, 15),
    _us(0x00280103, 0),
)


def carrier(plants: Sequence[Plant], encoding: str) -> bytes:
    """One object with all of these plants, which have the same base. `encoding`: a key of SYNTAXES."""
    base = plants[0].base
    syntax = J2K if base == "image-j2k" else SYNTAXES[encoding]
    elements = _with_plants(plants, base)
    behind = [element for plant in plants for element in plant.behind]
    data = encode(elements, syntax)
    if base.startswith("image"):
        data += encode([_pixels(plants, encoding)], syntax)
    data += encode(behind, syntax) + b"".join(plant.trailing for plant in plants)
    if encoding == "deflated":
        packer = zlib.compressobj(wbits=-15)
        data = even(packer.compress(data) + packer.flush(), b"\0")
    extra = sorted((e for plant in plants for e in plant.meta), key=lambda element: element.tag)
    instance = next((e.value for e in extra if e.tag == 0x00020003), INSTANCE.encode())
    assert isinstance(instance, bytes)
    return part10(
        data,
        syntax.uid,
        preamble=b"".join(plant.preamble for plant in plants).ljust(128, b"\0"),
        sop_class=CLASSES[base].encode(),
        sop_instance=instance,
        extra=[element for element in extra if element.tag != 0x00020003],
    )


def _with_plants(plants: Iterable[Plant], base: str) -> list[Element]:
    """The object's own elements, and in place of those with the same tags the plants'; sorted, but an `alone` plant's
    elements stay together in the order that it gives them."""
    planted = [element for plant in plants for element in plant.elements]
    tags = {element.tag for element in planted}
    own = [*COMMON, text(0x00080016, "UI", CLASSES[base]), *(IMAGE if base.startswith("image") else ())]
    elements = [element for element in own if element.tag not in tags]
    place = {id(element): element.tag for element in elements}
    for plant in plants:
        first = plant.elements[0].tag if plant.elements else 0
        place |= {id(element): first if plant.alone else element.tag for element in plant.elements}
    return sorted([*elements, *planted], key=lambda element: place[id(element)])


def _pixels(plants: Sequence[Plant], encoding: str) -> Element:
    if encoding != "encapsulated":
        return Element(PIXEL_DATA, "OW", PIXELS)
    stream = next((plant.stream for plant in plants if plant.stream), even(JPEG, b"\0"))
    return Element(PIXEL_DATA, "OB", fragments=(b"", stream))


def crowds(plants: Iterable[Plant]) -> list[list[Plant]]:
    """The plants of images that can share objects, as few objects as it takes: no tag twice in one."""
    found: list[tuple[set[int], list[Plant]]] = []
    for plant in plants:
        if plant.alone or plant.refused or plant.base != "image":
            continue
        tags = {element.tag for element in (*plant.elements, *plant.meta, *plant.behind)} | (
            {0} if plant.preamble else set()
        )
        for taken, members in found:
            if not taken & tags:
                taken |= tags
                members.append(plant)
                break
        else:
            found.append((tags, [plant]))
    return [members for _, members in found]


def content(data: bytes) -> bytes:
    """What is searched: the whole file; of a deflated one the file meta group and the data set inflated."""
    start = 144 + int.from_bytes(data[140:144], "little")
    if b"1.2.840.10008.1.2.1.99" not in data[:start]:
        return data
    unpacker = zlib.decompressobj(wbits=-15)
    inflated = unpacker.decompress(data[start:])
    return data[:start] + inflated + unpacker.unused_data
