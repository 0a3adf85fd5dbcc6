"""The tables of PS3.15 Annex E that a profile is built on, as read-only data, and the overlay that closes
their gaps."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import orjson

from engine.dicom.dictionary import parse_tag
from engine.errors import ConfigError

EDITION = "2026c"
CODES = frozenset({"X", "Z", "D", "U", "C", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"})
"""Codes of Table E.1-1a for the Basic profile. C is none of the table's there: the overlay's, for text that is cleaned."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of Table E.1-1, or of the overlay: the Basic code and the code of each option that has one.

    `nested` is the code inside sequences where the overlay gives another one there.
    """

    pattern: str
    code: str
    options: Mapping[str, str]
    overlay: bool = False
    why: str = ""
    nested: str = ""

    @property
    def mask(self) -> int:
        """Bits of a tag that the pattern fixes; for a repeating group also those that make it an even one up
        to xx1E."""
        mask = int("".join("0" if c == "x" else "F" for c in self.pattern), 16)
        return mask | 0x00E10000 if "xx" in self.pattern[:4] else mask

    @property
    def value(self) -> int:
        return int(self.pattern.replace("x", "0"), 16)


@dataclass(frozen=True, slots=True)
class AttributeTable:
    """Rows of single tags by tag, and the rows of repeating groups. The row for private attributes is a rule
    of its own."""

    tags: Mapping[int, Row]
    repeating: tuple[Row, ...]

    def find(self, tag: int) -> Row | None:
        """The row for `tag`, also of a repeating group."""
        found = self.tags.get(tag)
        if found is None and tag >> 24 in (0x50, 0x60):
            return next((row for row in self.repeating if tag & row.mask == row.value), None)
        return found


def _data(name: str) -> bytes:
    return (files(__package__) / "data" / name).read_bytes()


@cache
def table() -> AttributeTable:
    """Table E.1-1 as the standard has it."""
    tags: dict[int, Row] = {}
    repeating: list[Row] = []
    for pattern, code, _, _, options in orjson.loads(_data("attributes.json"))["rows"]:
        if pattern == "private":
            continue
        row = Row(pattern, code, options)
        if "x" in pattern:
            repeating.append(row)
        else:
            tags[row.value] = row
    return AttributeTable(MappingProxyType(tags), tuple(repeating))


@cache
def overlay() -> AttributeTable:
    """What the standard's table leaves open, closed: rows that add to it or override it."""
    tags: dict[int, Row] = {}
    repeating: list[Row] = []
    for entry in tomllib.loads(_data("overlay.toml").decode())["row"]:
        tag, code, why = entry["tag"], entry["code"], entry["why"]
        if code not in CODES:
            raise ConfigError("overlay", f"overlay row {tag}: {code} is no code of Table E.1-1a")
        options = entry.get("options", {})
        if "xx" in tag:
            repeating.append(Row(tag, code, options, overlay=True, why=why))
            continue
        number = parse_tag(tag)
        if number is None:
            raise ConfigError("overlay", f"overlay row {tag}: no such attribute")
        tags[number] = Row(
            f"{number:08X}", code, options, overlay=True, why=why, nested=entry.get("nested", "")
        )
    return AttributeTable(MappingProxyType(tags), tuple(repeating))


@cache
def safe_private() -> tuple[tuple[int, str, int, str], ...]:
    """Table E.3.10-1: (group, creator, low byte of the element, VR)."""
    return tuple(tuple(row) for row in orjson.loads(_data("safe_private.json"))["rows"])
