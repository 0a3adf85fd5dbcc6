"""What the IOD of a SOP class asks of the attributes with a compound code (PS3.15 E.1.1, types from
PS3.3)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import orjson
from blake3 import blake3


@cache
def _table() -> tuple[tuple[int, ...], Mapping[str, str]]:
    data = orjson.loads((files(__package__) / "data" / "iod_types.json").read_bytes())
    return tuple(data["attributes"]), {uid: types for types, uids in data["classes"] for uid in uids}


def tags() -> tuple[int, ...]:
    """The attributes that the table knows."""
    return _table()[0]


def types_of(sop_class: str) -> str | None:
    """One digit for each of `tags()`: 0 not required, 1 may be empty, 2 required. None for an unknown SOP
    class."""
    return _table()[1].get(sop_class)


def groups() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(digits, SOP class UIDs) of the SOP classes that ask the same."""
    gathered: dict[str, list[str]] = {}
    for uid, types in _table()[1].items():
        gathered.setdefault(types, []).append(uid)
    return tuple((types, tuple(uids)) for types, uids in gathered.items())


def digest() -> str:
    """BLAKE3 of the table, for the digests of profiles that are resolved by it."""
    return blake3((files(__package__) / "data" / "iod_types.json").read_bytes()).hexdigest()


def by_tag(types: str) -> Mapping[int, int]:
    """`types_of`'s answer by tag."""
    return MappingProxyType({tag: int(digit) for tag, digit in zip(tags(), types, strict=True)})
