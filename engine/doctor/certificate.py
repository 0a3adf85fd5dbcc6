"""Until when a certificate is valid (RFC 5280 section 4.1.2.5), read from its DER without a library for all of X.509."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import NamedTuple

SEQUENCE, UTC_TIME, GENERALIZED_TIME, EXPLICIT_VERSION = 0x30, 0x17, 0x18, 0xA0
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class Validity(NamedTuple):
    """Both aware, UTC."""

    not_before: datetime.datetime
    not_after: datetime.datetime


def validity_of(path: Path) -> Validity:
    """Of the first certificate in a PEM file. ValueError if there is none; OSError if it cannot be read."""
    text = path.read_text("ascii", "replace")
    begin = text.find(_BEGIN)
    end = text.find(_END, begin)
    if begin < 0 or end < 0:
        raise ValueError("holds no certificate in PEM form")
    return _validity(ssl.PEM_cert_to_DER_cert(text[begin : end + len(_END)]))


def _validity(der: bytes) -> Validity:
    certificate = _inside(der, SEQUENCE)
    fields = list(_elements(_inside(certificate, SEQUENCE)))
    # [0] version (may be absent), serialNumber, signature, issuer, validity
    place = 4 if fields and fields[0][0] == EXPLICIT_VERSION else 3
    if len(fields) <= place or fields[place][0] != SEQUENCE:
        raise ValueError("is no certificate of X.509")
    times = [_time(kind, value) for kind, value in _elements(fields[place][1])]
    if len(times) != 2:
        raise ValueError("is no certificate of X.509")
    return Validity(*times)


def _inside(data: bytes, kind: int) -> bytes:
    """The content of the first element, which has to be of this kind."""
    for found, value in _elements(data):
        if found == kind:
            return value
        break
    raise ValueError("is no certificate of X.509")


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise ValueError("ends inside an element")
        kind, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise ValueError("ends inside an element")
        found.append((kind, data[at : at + length]))
        at += length
    return found


def _time(kind: int, value: bytes) -> datetime.datetime:
    text = value.decode("ascii", "replace")
    if kind == UTC_TIME:  # two digits of the year: 1950 to 2049
        text = ("20" if text[:2] < "50" else "19") + text
    elif kind != GENERALIZED_TIME:
        raise ValueError("has a validity of no known form")
    return datetime.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=datetime.UTC)
