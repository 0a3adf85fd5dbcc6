"""Cleaning of values that an option keeps in part (PS3.15 E.3.5): words known to be safe stay, everything else goes.

It works on bytes, and keeps ASCII words only: no character set has to be known, and what is kept keeps its bytes. A
word that a profile's author misses costs a word; a name that slipped through would cost a patient.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import orjson

from engine.dicom.dictionary import lookup
from engine.profile.dummies import DUMMIES

CODE_VALUES = frozenset({0x00080100, 0x00080102, 0x00080103, 0x0008010D, 0x00080105, 0x00080106})

# Bytes above 0x7F belong to words of other alphabets; ESC begins a shift to one (ISO 2022).
_WORD = re.compile(rb"[A-Za-z0-9\x1b\x80-\xff]+(?:[.'+*$()\[\]-][A-Za-z0-9\x1b\x80-\xff]+)*")
_PART = re.compile(rb"[A-Za-z0-9\x1b\x80-\xff]+")
# A number says something only with its unit; alone it may be an age, a day, or part of a record number.
_UNITS = rb"(?:mm|cm|ms|s|sec|min|kv|kvp|ma|mas|t|hz|mhz|mgy|gy|ml|cc|b|te|tr|ti|x|vol|dir|ch|p)"
_NUMBER = re.compile(rb"(?:\d{1,4}(?:\.\d{1,3})?" + _UNITS + rb"|" + _UNITS + rb"\d{1,4})", re.IGNORECASE)
_TITLES = frozenset(b"dr dra drs doc doctor prof professor mrs ms miss herr frau mme sig sra nurse".split())
_CODE_STRING = re.compile(rb"[A-Z0-9_ ]{0,16}(?:\\[A-Z0-9_ ]{0,16})*")
_NUMBER_STRING = re.compile(rb"[0-9+\-.eE \\]*")
_MANY_DIGITS = re.compile(rb"\d{5}")


@cache
def vocabulary() -> frozenset[bytes]:
    """Words that may stay, in small letters."""
    groups = orjson.loads((files(__package__) / "data" / "vocabulary.json").read_bytes())
    return frozenset(word.encode("ascii") for rows in groups.values() for row in rows for word in row.split())


def clean_text(raw: bytes) -> bytes:
    """The words of `raw` that are safe, one space between them; the values of a multi-valued text stay apart.

    A dummy where nothing is left of a value, so that an attribute that must have one keeps one. An empty value stays
    empty.
    """
    values = [_clean_value(value) for value in raw.split(b"\\")]
    return b"\\".join(values) if any(values) else b""


def _clean_value(value: bytes) -> bytes:
    kept: list[bytes] = []
    skip = 0
    for found in _WORD.finditer(value):
        word = found[0]
        if word.lower() in _TITLES:
            skip = 2
            continue
        if skip:
            # What follows a title is a name, also where it is a word of anatomy: "Dr. Hand".
            skip -= 1
            continue
        if _is_safe(word):
            kept.append(word)
    if kept:
        return b" ".join(kept)
    return DUMMIES["LO"] if value.strip(b" \0") else b""


def _is_safe(word: bytes) -> bool:
    if _NUMBER.fullmatch(word):
        return True
    return all(
        part.lower() in vocabulary() or _NUMBER.fullmatch(part) is not None for part in _PART.findall(word)
    )


def clean_code(tag: int, raw: bytes) -> bytes | None:
    """Of a code string what is formed as one, else None; of a code sequence's texts the code itself, and a clean
    meaning.

    `tag` tells them apart: parts of the Code Sequence Macro (PS3.3 8.8) are codes; every other text is cleaned.
    """
    if tag in CODE_VALUES:
        return raw
    known = lookup(tag)
    if known is None or known.vr == "CS":
        return raw if is_code_string(raw) else None
    return clean_text(raw)


def is_code_string(raw: bytes) -> bool:
    """Whether every value is a CS (PS3.5 6.2) that is too short for a record number: fewer than five digits in a
    row."""
    raw = raw.rstrip(b" \0")
    return _CODE_STRING.fullmatch(raw) is not None and _MANY_DIGITS.search(raw) is None


def is_number_string(raw: bytes) -> bool:
    """Whether `raw` holds nothing but what DS and IS may hold (PS3.5 6.2)."""
    return _NUMBER_STRING.fullmatch(raw.rstrip(b" \0")) is not None
