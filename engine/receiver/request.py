"""Reading an A-ASSOCIATE-RQ (PS3.8 section 9.3.2): bounds first, then pynetdicom's decoder."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from pynetdicom.pdu import A_ASSOCIATE_RQ

FIXED = 74
MAX_ITEMS = 8192
MAX_CONTEXTS = 128
APPLICATION_CONTEXT = 0x10
PRESENTATION_CONTEXT = 0x20
USER_INFORMATION = 0x50
_SUB_ITEMS = {PRESENTATION_CONTEXT: frozenset({0x30, 0x40}), USER_INFORMATION: frozenset(range(0x51, 0x59))}
# What pynetdicom raises over bytes that are no item of the kind that they claim to be.
_DECODING = (ValueError, TypeError, KeyError, IndexError, AssertionError, AttributeError, struct.error)


class RequestError(ValueError):
    """The A-ASSOCIATE-RQ breaks PS3.8 section 9.3.2 or a limit of ours; the text holds nothing of the
    peer's."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The fixed fields: enough to turn a stranger away before anything of variable length is looked at. A
    title is "" if it is not an AE title (PS3.5 section 6.2)."""

    protocol_version: int
    called: str
    calling: str
    titles: bytes


def read_caller(pdu: bytes) -> Caller:
    """Raises RequestError if the PDU is too short."""
    if len(pdu) < FIXED:
        raise RequestError("A-ASSOCIATE-RQ is shorter than its fixed fields")
    version = int.from_bytes(pdu[6:8], "big")
    return Caller(version, _title(pdu[10:26]), _title(pdu[26:42]), pdu[10:42])


def decode_request(pdu: bytes) -> A_ASSOCIATE_RQ:
    """The whole PDU. Items of unknown type are left out, as PS3.8 section 9.3.1 wants. Raises
    RequestError."""
    clean = _without_unknown_items(pdu)
    request = A_ASSOCIATE_RQ()
    try:
        with warnings.catch_warnings():
            # pydicom warns of a UID that is none, and quotes it; whoever negotiates looks at it anyway.
            warnings.simplefilter("ignore")
            request.decode(clean)
    except _DECODING as error:
        raise RequestError("an item of the A-ASSOCIATE-RQ cannot be decoded") from error
    return request


def _title(field: bytes) -> str:
    text = field.decode("latin-1").strip(" \0")
    return text if text.isascii() and text.isprintable() and "\\" not in text else ""


def _without_unknown_items(pdu: bytes) -> bytes:
    budget = MAX_ITEMS
    contexts = 0
    kept = []
    for kind, item in _items(pdu, FIXED, len(pdu)):
        known = _SUB_ITEMS.get(kind)
        if known is None:
            if kind == APPLICATION_CONTEXT:
                kept.append(item)
            budget -= 1
        else:
            start = 8 if kind == PRESENTATION_CONTEXT else 4
            if len(item) < start:
                raise RequestError("a presentation context item is too short")
            contexts += kind == PRESENTATION_CONTEXT
            parts = list(_items(item, start, len(item)))
            budget -= 1 + len(parts)
            body = item[4:start] + b"".join(part for sub, part in parts if sub in known)
            kept.append(struct.pack(">BBH", kind, 0, len(body)) + body)
        if budget < 0 or contexts > MAX_CONTEXTS:
            raise RequestError("A-ASSOCIATE-RQ has more items than an association can use")
    return pdu[:FIXED] + b"".join(kept)


def _items(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes]]:
    while at < end:
        if end - at < 4:
            raise RequestError("A-ASSOCIATE-RQ ends inside an item header")
        stop = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        if stop > end:
            raise RequestError("an item is longer than the A-ASSOCIATE-RQ")
        yield data[at], data[at:stop]
        at = stop
