"""The data dictionary of PS3.6: tag -> VR, VM, keyword, retired.

A tag is an int, group << 16 | element. Nothing is loaded before the first question.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

import orjson

TEXT_VRS = frozenset({"AE", "AS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
DATE_VRS = frozenset({"DA", "DT", "TM"})

_HEX = re.compile(r"\(?([0-9A-Fa-f]{4}),? ?([0-9A-Fa-f]{4})\)?")


class Attribute(NamedTuple):
    """One row of PS3.6. Where PS3.6 leaves a choice of VR, `vr` is the one to read implicit VR data with."""

    tag: int
    vr: str
    vm: str
    keyword: str
    retired: bool


class RepeatingAttribute(NamedTuple):
    """A row for many groups (PS3.5 7.6): it covers a tag where `tag & mask == value`."""

    mask: int
    value: int
    vr: str
    vm: str
    keyword: str
    retired: bool


def _load(name: str) -> bytes:
    return (files(__package__) / name).read_bytes()


@cache
def _tables() -> tuple[Mapping[int, Attribute], tuple[RepeatingAttribute, ...]]:
    data = orjson.loads(_load("dictionary.json"))
    attributes = {row[0]: Attribute(*row) for row in data["attributes"]}
    repeating = tuple(RepeatingAttribute(*row) for row in data["repeating"])
    return MappingProxyType(attributes), repeating


def attributes() -> Mapping[int, Attribute]:
    """Every standard attribute by tag, in the order of tags, without those of repeating groups."""
    return _tables()[0]


def repeating_attributes() -> tuple[RepeatingAttribute, ...]:
    """The attributes of repeating groups."""
    return _tables()[1]


@cache
def _keywords() -> Mapping[str, int]:
    return {row.keyword: row.tag for row in attributes().values() if row.keyword}


def lookup(tag: int) -> Attribute | None:
    """The row for `tag`, also where it is one of a repeating group; None for a tag that PS3.6 does not
    have."""
    found = attributes().get(tag)
    if found is not None:
        return found
    for row in repeating_attributes():
        if tag & row.mask == row.value:
            return Attribute(tag, row.vr, row.vm, row.keyword, row.retired)
    return None


def parse_tag(text: str) -> int | None:
    """The tag that `text` names: a keyword, "(gggg,eeee)", "gggg,eeee" or "ggggeeee"; None if it names
    none."""
    tag = _keywords().get(text)
    if tag is not None:
        return tag
    found = _HEX.fullmatch(text)
    return int(found[1] + found[2], 16) if found else None


def suggestions(text: str, among: Iterable[str] | None = None) -> list[str]:
    """Up to three known keywords that look like `text`, the nearest first."""
    from difflib import get_close_matches

    return get_close_matches(text, list(_keywords() if among is None else among), n=3, cutoff=0.75)


def format_tag(tag: int) -> str:
    """The tag as "(gggg,eeee)"."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def keyword_of(tag: int) -> str:
    """The attribute's keyword, or "(gggg,eeee)" where it has none."""
    found = lookup(tag)
    return found.keyword if found is not None and found.keyword else format_tag(tag)
