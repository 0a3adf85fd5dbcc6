"""Private attributes: each row of PS3.15 Table E.3.10-1, and everything that only looks like one, through the
rewriter."""

from __future__ import annotations

import json
import struct
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pydicom.dataset import Dataset

from engine.profile import load
from tests.support import rows as made
from tests.support.datasets import Element, Syntax, encode, even, part10
from tests.support.rows import ENCODINGS, HOLDER, Outcome

NUMBERS = {"US", "SS", "UL", "SL", "FL", "FD", "DS", "IS"}
TEXTS = {"LO", "SH", "ST", "LT"}
# Kept by `research`: the rows of numbers and codes.
KEPT = NUMBERS | {"CS"}


def _table() -> list[Any]:
    return list(json.loads((files("engine.profile") / "data" / "safe_private.json").read_text())["rows"])


TABLE = _table()


def _blocks() -> dict[tuple[int, str], int]:
    """Each (group, creator) with a block number of its own in its group; not the first, so that it must be looked
    up."""
    found: dict[tuple[int, str], int] = {}
    for group, creator, _, _ in TABLE:
        used = [number for (g, _), number in found.items() if g == group]
        found.setdefault((group, creator), max(used, default=0x20) + 1)
    return found


BLOCKS = _blocks()


def _tag(group: int, creator: str, element: int) -> int:
    return group << 16 | BLOCKS[group, creator] << 8 | element


def _value(vr: str, at: int) -> bytes:
    layouts = {"US": "<H", "SS": "<h", "UL": "<I", "SL": "<i", "FL": "<f", "FD": "<d"}
    if vr in layouts:
        return struct.pack(layouts[vr], at % 99 + 1)
    if vr == "SQ":
        return b""
    text = {"DS": f"{at}.5", "IS": str(at), "CS": "AXIAL", "UI": f"1.2.777.{at}"}.get(vr, f"ZZPRIV{at:04d}")
    return even(text.encode(), b"\0" if vr in ("UI", "OB", "OW", "UN") else b" ")


def _creators() -> dict[int, Element]:
    return {
        group << 16 | number: Element(group << 16 | number, "LO", even(creator.encode()))
        for (group, creator), number in BLOCKS.items()
    }


def _elements() -> list[Element]:
    found = _creators()
    for at, (group, creator, element, vr) in enumerate(TABLE):
        tag = _tag(group, creator, element)
        written = {"": "LO", "OW/OB": "OB"}.get(vr, vr)
        if written == "SQ":
            found[tag] = Element(tag, "SQ", [[Element(0x00100010, "PN", b"ZZPRIVNAME")]])
        else:
            found[tag] = Element(tag, written, _value(written, at))
    return [found[tag] for tag in sorted(found)]


def _file(elements: list[Element], syntax: Syntax) -> bytes:
    """The elements at the top level and in an item."""
    top = {element.tag: element for element in elements}
    top[0x00080016] = Element(0x00080016, "UI", even(made.PRIVATE_SOP_CLASS, b"\0"))
    top[HOLDER] = Element(HOLDER, "SQ", [elements])
    data = encode([top[tag] for tag in sorted(top)], syntax)
    return part10(data, syntax.uid, sop_class=made.PRIVATE_SOP_CLASS, sop_instance=b"1.2.777.99999")


def _rewritten(name: str, elements: list[Element], syntax: Syntax) -> Outcome:
    with TemporaryDirectory() as folder:
        return made.rewrite(load(name), _file(elements, syntax), Path(folder))


@cache
def _outcome(name: str, encoding: str) -> Outcome:
    return _rewritten(name, _elements(), ENCODINGS[encoding])


def _places(found: Outcome) -> list[Dataset]:
    return [found.pydicom[made.TOP], found.pydicom[made.NESTED]]


ENCODED = ["implicit", "explicit", "big-endian"]


@pytest.mark.parametrize(
    "at", range(len(TABLE)), ids=lambda at: f"{TABLE[at][0]:04X}-{TABLE[at][1]}-{TABLE[at][2]:02X}"
)
def test_a_row_of_the_safe_list_is_kept_if_it_can_be_checked(at: int) -> None:
    group, creator, element, vr = TABLE[at]
    tag = _tag(group, creator, element)
    doubled = {row[3] for row in TABLE if row[:3] == [group, creator, element]}
    for encoding in ENCODED:
        for dataset in _places(_outcome("research", encoding)):
            assert (tag in dataset) is (vr in KEPT), (encoding, doubled)
        for dataset in _places(_outcome("default", encoding)):
            assert tag not in dataset


@pytest.mark.parametrize("encoding", ENCODED)
def test_kept_values_are_those_of_the_source(encoding: str) -> None:
    syntax = ENCODINGS[encoding]
    top = _outcome("research", encoding).pydicom[made.TOP]
    for at, (group, creator, element, vr) in enumerate(TABLE):
        if vr in KEPT and encoding == "explicit":
            assert (
                encode([Element(0, vr, _value(vr, at))], syntax)[8:].rstrip(b"\0 ")
                in _outcome("research", encoding).content
            )
            assert top[_tag(group, creator, element)].private_creator == creator


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_creator_stays_only_where_something_of_its_block_does(encoding: str) -> None:
    kept = {(group, creator) for group, creator, _, vr in TABLE if vr in KEPT}
    for dataset in _places(_outcome("research", encoding)):
        for (group, creator), number in BLOCKS.items():
            assert (group << 16 | number in dataset) is ((group, creator) in kept)
    for dataset in _places(_outcome("default", encoding)):
        assert not [element for element in dataset if element.tag.is_private]


@pytest.mark.parametrize("name", ["default", "research"])
@pytest.mark.parametrize("encoding", ENCODED)
def test_no_private_text_uid_or_sequence_is_left_in_the_bytes(name: str, encoding: str) -> None:
    content = _outcome(name, encoding).content
    assert b"ZZPRIV" in _file(_elements(), ENCODINGS[encoding])
    assert b"ZZPRIV" not in content
    assert b"1.2.777." not in content


B_VALUE, DIRECTIONALITY, DIRECTION = 0x0C, 0x0D, 0x0E
CREATOR = b"SIEMENS MR HEADER "


def _siemens(
    element: int, vr: str, value: bytes, *, creator: bytes | None = CREATOR, block: int = 0x10
) -> list[Element]:
    creators = [] if creator is None else [Element(0x00190000 | block, "LO", creator)]
    return [*creators, Element(0x00190000 | block << 8 | element, vr, value)]


@pytest.mark.parametrize(
    ("why", "elements", "kept"),
    [
        ("as it should be", _siemens(B_VALUE, "IS", b"1000"), True),
        ("in another block", _siemens(B_VALUE, "IS", b"1000", block=0x44), True),
        ("a name under a number's VR", _siemens(B_VALUE, "IS", b"Roe^Jane"), False),
        ("a name under a VR of its own", _siemens(B_VALUE, "LO", b"Roe^Jane"), False),
        ("a number under a text's VR", _siemens(B_VALUE, "LO", b"1000"), False),
        ("a code", _siemens(DIRECTIONALITY, "CS", b"DIRECTIONAL "), True),
        ("a name under a code's VR", _siemens(DIRECTIONALITY, "CS", b"Roe^Jane"), None),
        ("numbers of a wrong length", _siemens(DIRECTION, "FD", b"\0" * 10), False),
        ("a sequence in a number's place", _siemens(B_VALUE, "SQ", b""), False),
        ("without creator", _siemens(B_VALUE, "IS", b"1000", creator=None), False),
        ("under another creator", _siemens(B_VALUE, "IS", b"1000", creator=b"ACME"), False),
        ("under a creator that looks alike", _siemens(B_VALUE, "IS", b"1000", creator=b"Siemens MR Header "), False),
        ("under a creator for another block", [*_siemens(B_VALUE, "IS", b"1000", block=0x11)[1:],
                                               Element(0x00190010, "LO", CREATOR)][::-1], False),
        ("in another group", [Element(0x00210010, "LO", CREATOR), Element(0x0021100C, "IS", b"1000")], False),
        ("an element that is not listed", _siemens(0x0F, "IS", b"1000"), False),
        ("a reserved element below the blocks", [Element(0x00190001, "IS", b"1000")], False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_only_what_is_what_the_list_says_is_kept(
    why: str, elements: list[Element], kept: bool | None
) -> None:
    found = _rewritten("research", elements, ENCODINGS["explicit"])
    for dataset in _places(found):
        private = [element for element in dataset if element.tag.is_private]
        if kept is not None:
            assert bool(private) is kept, why
        if private:
            assert len(private) == 2
    assert b"Roe" not in found.content
    if why == "a code":
        assert b"DIRECTIONAL" in found.content
