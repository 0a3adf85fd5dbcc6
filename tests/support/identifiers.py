"""What identifies somebody in a real file, and whether it stands in another file, as pydicom and plain bytes have it."""

from __future__ import annotations

import contextlib
import re
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

SHORTEST = 4  # characters: less is found by chance everywhere
DEFLATED = "1.2.840.10008.1.2.1.99"
IDS = frozenset(
    {
        "AccessionNumber", "AdmissionID", "DetectorID", "DeviceSerialNumber", "InstitutionAddress", "InstitutionName",
        "InstitutionalDepartmentName", "IssuerOfPatientID", "MedicalRecordLocator", "OtherPatientIDs", "PatientAddress",
        "PatientID", "PatientTelephoneNumbers", "RequestingService", "StationName", "StudyID",
    }
)  # fmt: skip
_ID_TAGS = frozenset(tag for tag in map(tag_for_keyword, IDS) if tag is not None)
_TELLING = frozenset({"PN", "DA", "DT", "UI", "SQ"})
CODECS = (
    "utf-8",
    "latin-1",
    "iso2022_jp",
    "euc_kr",
    "gb18030",
    *(f"iso8859_{part}" for part in (2, 3, 4, 5, 6, 7, 8, 9)),
)
_WORDS = re.compile(r"[\^=\\ ,]+")
# Not inside a longer word; a letter or digit beside a NUL is half of a tag or a length, not part of a word.
_BEFORE, _AFTER = rb"(?<!(?<!\0)[0-9a-z])", rb"(?![0-9a-z](?!\0))"
_NOT_RANDOM = rb"(?<!2\.25\.)"  # PS3.5 B.2
_UIDS = re.compile(rb"(?<![0-9.])[0-2](?:\.[0-9]+){3,}(?![0-9.])")
SHORTEST_UID = 10  # characters: version numbers have dots too

Path_ = tuple[int, ...]


def read(path: Path) -> Dataset:
    """The whole data set without complaints."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path, force=True)


def elements(dataset: Dataset, at: Path_ = ()) -> Iterator[tuple[Path_, DataElement]]:
    """Each name, ID, date and UID at every depth, with its path: tags and, between them, the numbers of items."""
    for tag in dataset.keys():  # noqa: SIM118 (iterating would read the values of all elements)
        if not _tells(dataset.get_item(tag)):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                element = dataset[tag]
                values = list(element.value) if element.VR == "SQ" else []
            except Exception:  # noqa: BLE001 (what pydicom cannot read is looked for in other tests, by its bytes)
                continue
        if element.VR != "SQ":
            yield (*at, int(tag)), element
        for number, item in enumerate(values):
            yield from elements(item, (*at, int(tag), number))


def _tells(element: DataElement | RawDataElement | None) -> bool:
    if element is None:
        return False
    if element.tag in _ID_TAGS:
        return True
    vr = element.VR
    if vr in (None, "UN") and dictionary_has_tag(element.tag):
        vr = dictionary_VR(element.tag)
    return vr in _TELLING


def texts(element: DataElement) -> list[str]:
    """The values of an element as text."""
    value = element.value
    if value is None:
        return []
    return [str(part).strip() for part in (value if element.VM > 1 else [value])]


def identifiers(dataset: Dataset) -> dict[str, str]:
    """Names (each word), IDs and dates at every depth, private ones too: value in lower case → keyword or tag."""
    found: dict[str, str] = {}
    for _, element in elements(dataset):
        name = element.keyword or str(element.tag)
        if element.VR == "PN":
            words = [word for value in texts(element) for word in _WORDS.split(value)]
        elif name in IDS:
            words = texts(element)
        elif element.VR in ("DA", "DT"):
            words = [value[:8] for value in texts(element) if value[:8].isdigit() and len(value) >= 8]
        else:
            continue
        found |= {word.lower(): name for word in words if len(word) >= SHORTEST}
    return found


def outside_pixels(path: Path, dataset: Dataset) -> bytes:
    """All bytes of a file but those of its pixel data; of a deflated one the inflated data set."""
    data = path.read_bytes()
    if data[128:132] == b"DICM" and DEFLATED.encode() in data[132:1024]:
        start = 144 + int.from_bytes(data[140:144], "little")
        data = data[:start] + zlib.decompress(data[start:], -15)
    for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
        pixels = dataset[name].value if name in dataset else b""
        if pixels and len(pixels) > 16:
            data = data.replace(pixels, b"")
    return data


def hits(wanted: dict[str, str], content: bytes) -> dict[str, str]:
    """Which of the identifiers stand in the bytes as words of their own, whatever the case, in any of the usual encodings."""
    folded = content.lower()
    return {
        word: name for word, name in wanted.items() if any(_stands(raw, folded) for raw in _encoded(word))
    }


def _stands(raw: bytes, folded: bytes) -> bool:
    """A day may have a time behind it, or whatever a vendor puts into a UID. At the beginning of a random UID it is none: some of
    these begin like a day."""
    before, after = (_BEFORE + _NOT_RANDOM, b"") if len(raw) == 8 and raw.isdigit() else (_BEFORE, _AFTER)
    return raw in folded and re.search(before + re.escape(raw) + after, folded) is not None


def _encoded(word: str) -> set[bytes]:
    found = set()
    for codec in ("ascii",) if word.isascii() else CODECS:
        with contextlib.suppress(UnicodeEncodeError):
            found.add(word.encode(codec).lower())
    return found


def uid_tokens(content: bytes) -> set[str]:
    """Everything in the bytes that is written like a UID, wherever it stands."""
    return {token.decode("ascii") for token in _UIDS.findall(content) if len(token) >= SHORTEST_UID}


def uids(dataset: Dataset) -> dict[Path_, tuple[str, ...]]:
    """The values of all UI elements by path."""
    return {path: tuple(texts(element)) for path, element in elements(dataset) if element.VR == "UI"}
