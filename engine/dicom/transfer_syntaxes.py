"""Transfer syntaxes (PS3.5 section 10 and annex A, PS3.6 table A-1) as the properties that reading an object
needs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

import orjson

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

_NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED_LITTLE, EXPLICIT_BIG})


class TransferSyntax(NamedTuple):
    """`readable` is False where the data set is not an ordinary stream of elements: PS3.5's JPIP, MIME, XML,
    SMPTE and Papyrus syntaxes. They hold no pixel data of their own, or need another parser."""

    uid: str
    keyword: str
    retired: bool
    explicit: bool
    little: bool
    deflated: bool
    encapsulated: bool
    readable: bool


def _properties(uid: str, keyword: str, retired: int) -> TransferSyntax:
    odd = (
        uid.startswith(("1.2.840.10008.1.2.6", "1.2.840.10008.1.2.7", "1.2.840.10008.1.20"))
        or "JPIP" in keyword
    )
    deflated = uid == DEFLATED_LITTLE or keyword.endswith("ReferencedDeflate")
    encapsulated = uid not in _NATIVE and not odd
    return TransferSyntax(
        uid,
        keyword,
        bool(retired),
        uid != IMPLICIT_LITTLE,
        uid != EXPLICIT_BIG,
        deflated,
        encapsulated,
        not odd,
    )


@cache
def transfer_syntaxes() -> Mapping[str, TransferSyntax]:
    """Every transfer syntax of PS3.6 by UID."""
    rows = orjson.loads((files(__package__) / "transfer_syntaxes.json").read_bytes())
    return MappingProxyType({row[0]: _properties(*row) for row in rows})
