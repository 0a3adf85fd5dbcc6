"""A plant: something that identifies a patient, put where de-identifiers forget to look, and the check that finds it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from tests.support.datasets import Element, even, swapped

UNCOMPRESSED = frozenset({"implicit", "explicit", "big-endian", "deflated"})
ALL = UNCOMPRESSED | {"encapsulated"}
EXPLICIT_ONLY = ALL - {"implicit"}

DEVICE = "retained by the option device-identity"
PATIENT = "retained by the option patient-characteristics"

_SYLLABLES = "bracordunfelgarholjunkellommarnovostprequirusstetorundvelwisyarzek"
_ENDINGS = "bergdalefortgatehursmannnessovicpoolshawthorwood"


@dataclass(frozen=True, slots=True)
class Plant:
    """One identifier and its place.

    `values`: the parts that must not survive, each by itself. `check`: how they are looked for (a key of CHECKS). `elements`
    stand at the top level in the order of their tags, `behind` after the pixel data, `trailing` are bytes after the last
    element, `meta` is in the file meta group, `stream` is the compressed frame. `base`: the kind of object. `alone`: it cannot
    share an object with others. `refused`: encoding → code with which the shipped profiles quarantine the object; in all other
    encodings it has to go out clean. `research`: why the profile of that name keeps it, "" if it may not.
    """

    id: str
    place: str
    values: tuple[str, ...]
    elements: tuple[Element, ...] = ()
    behind: tuple[Element, ...] = ()
    meta: tuple[Element, ...] = ()
    preamble: bytes = b""
    trailing: bytes = b""
    stream: bytes = b""
    base: str = "image"
    check: str = "text"
    syntaxes: frozenset[str] = ALL
    alone: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    research: str = ""

    def survives_in(self, content: bytes) -> bool:
        """Whether any of its values stands in the bytes of an object (deflated ones inflated)."""
        return CHECKS[self.check](self.values, content)

    def __str__(self) -> str:
        return self.id


def surname(key: str) -> str:
    """A family name that nobody has, the same for the same key."""
    digest = hashlib.sha256(key.encode()).digest()
    first, second = (_part(_SYLLABLES, 3, digest[i]) for i in (0, 1))
    return (first + second + _part(_ENDINGS, 4, digest[2])).capitalize()


def _part(parts: str, size: int, number: int) -> str:
    at = number % (len(parts) // size) * size
    return parts[at : at + size]


def number(key: str, digits: int = 9) -> str:
    """Digits, the first not 0."""
    return str(
        10 ** (digits - 1) + int(hashlib.sha256(key.encode()).hexdigest(), 16) % (9 * 10 ** (digits - 1))
    )


def identifier(key: str) -> str:
    """A hospital number."""
    return "MRN" + number(key)


def uid(key: str, root: str = "1.2.826.0.1.3680043.10.1471") -> str:
    """An instance UID of an original."""
    return f"{root}.{number(key, 12)}.{number(key + '.', 10)}"


def day(key: str) -> str:
    """A date of the last century, as DA."""
    return (date(1911, 1, 1) + timedelta(int(number(key, 8)) % 21_900)).strftime("%Y%m%d")


def time_of(key: str) -> str:
    """A time of day, as TM with microseconds."""
    seconds = int(number(key, 8)) % 86_400
    return f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}.{number(key, 6)}"


def text(tag: int, vr: str, value: str, codec: str = "ascii") -> Element:
    """An element with a text value."""
    return Element(tag, vr, even(value.encode(codec), b"\0" if vr in ("UI", "OB", "OW", "UN") else b" "))


def sequence(tag: int, *items: Iterable[Element], vr: str = "SQ", defined: bool = True) -> Element:
    """A sequence of items."""
    return Element(tag, vr, [list(item) for item in items], defined=defined, items_defined=defined)


# ---- checks: (values, content of the object) -> does one survive? ------------------------------------------------------------

CODECS = (
    "ascii",
    "latin-1",
    "iso8859_5",
    "iso2022_jp",
    "shift_jis",
    "euc_kr",
    "gb18030",
    "utf-8",
    "utf-16-le",
)
"""The encodings of the Specific Character Sets that plants use, and one that systems use inside."""
SHORTEST_SWAPPED = 6  # bytes: less would be found by chance


def _text(values: tuple[str, ...], content: bytes) -> bool:
    folded = content.lower()
    return any(needle in folded for value in values for needle in needles(value))


def needles(value: str) -> frozenset[bytes]:
    """How a text may stand in an object, in lower case: in each encoding, and with the bytes of words exchanged (a text in
    an OW of a big endian object)."""
    found = set()
    for form in (value, value.lower(), value.upper()):
        for codec in CODECS:
            try:
                raw = form.encode(codec)
            except UnicodeEncodeError:
                continue
            found.add(raw.lower())
            for words in (raw[: len(raw) & ~1], raw[1 : 1 + (len(raw) - 1 & ~1)]):
                if len(words) >= SHORTEST_SWAPPED:
                    found.add(swapped("OW", words).lower())
    return frozenset(found)


def _uid(values: tuple[str, ...], content: bytes) -> bool:
    return any(value.encode("ascii") in content for value in values)


def _date(values: tuple[str, ...], content: bytes) -> bool:
    """A day in any of the ways in which people and VRs write it."""
    for value in values:
        year, month, of_month = value[:4], value[4:6], value[6:8]
        forms = (
            value[:8],
            f"{year}-{month}-{of_month}",
            f"{year}.{month}.{of_month}",
            f"{of_month}.{month}.{year}",
        )
        if any(form.encode("ascii") in content for form in forms):
            return True
    return False


CHECKS: dict[str, Callable[[tuple[str, ...], bytes], bool]] = {
    "text": _text,
    "uid": _uid,
    "date": _date,
}
