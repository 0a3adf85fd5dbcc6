"""Holds what arrived beside what was sent: the same pixels, another identity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
from blake3 import blake3
from pydicom.dataset import Dataset

from engine.dicom.sample import identities

ABSENT = "—"
SHOWN = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "AccessionNumber",
    "StudyInstanceUID",
    "SOPInstanceUID",
    "StudyDate",
    "InstitutionName",
    "OperatorsName",
    "DeviceSerialNumber",
    "Modality",
    "PatientIdentityRemoved",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One object as it was sent and as the platform has it; `received` is the whole file."""

    before: Dataset
    after: Dataset
    received: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One attribute side by side; an attribute that is not there is `ABSENT`."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must hold, and whether it does."""

    what: str
    holds: bool


def pairs(sent: Sequence[Path], received: Iterable[bytes]) -> list[Pair]:
    """Objects by series and instance number, which the profile keeps, in the order of `sent`."""
    arrived = {}
    for data in received:
        ds = pydicom.dcmread(BytesIO(data))
        arrived[(int(ds.SeriesNumber), int(ds.InstanceNumber))] = (ds, data)
    found = []
    for path in sent:
        before = pydicom.dcmread(path)
        key = (int(before.SeriesNumber), int(before.InstanceNumber))
        if key in arrived:
            found.append(Pair(before, *arrived[key]))
    return found


def side_by_side(pair: Pair) -> list[Line]:
    """Some attributes of one object: replaced, removed, kept, nested, private, and the pixels' digest."""
    lines = [Line(_name(word), _show(pair.before, word), _show(pair.after, word)) for word in SHOWN]
    lines.append(Line("Referenced image", _referenced(pair.before), _referenced(pair.after)))
    lines.append(Line("Private elements", _private(pair.before), _private(pair.after)))
    lines.append(Line("Pixel data, BLAKE3", _pixels(pair.before), _pixels(pair.after)))
    return lines


def checks(found: Sequence[Pair], sent: int, hashed_id: str) -> list[Check]:
    """What must hold of the whole study."""
    studies = {pair.after.StudyInstanceUID for pair in found}
    localizers = {p.before.SOPInstanceUID: p.after.SOPInstanceUID for p in found}
    referring = [pair for pair in found if _referenced(pair.before) != ABSENT]
    return [
        Check(f"all {sent} objects arrived", len(found) == sent),
        Check("they are still one study", len(studies) == 1),
        Check("every pixel is what it was", all(p.before.PixelData == p.after.PixelData for p in found)),
        Check(
            "references between images still lead to their images",
            all(_referenced(p.after) == localizers.get(_referenced(p.before)) for p in referring),
        ),
        Check("Patient ID is the keyed hash", all(p.after.PatientID == hashed_id for p in found)),
        Check("no identity is left in any of them", not any(leaks(pair) for pair in found)),
    ]


def leaks(pair: Pair) -> list[str]:
    """Identifying values of the original that stand in the received bytes, in its own encoding."""
    pixels = pair.received.rfind(pair.before.PixelData)
    head = pair.received[:pixels] if pixels >= 0 else pair.received
    return [value for value in sorted(identities(pair.before)) if value.encode("latin-1", "replace") in head]


def _name(keyword: str) -> str:
    return str(pydicom.datadict.dictionary_description(keyword))


def _show(ds: Dataset, keyword: str) -> str:
    if keyword not in ds:
        return ABSENT
    return str(ds[keyword].value) or "(empty)"


def _referenced(ds: Dataset) -> str:
    items = ds.get("ReferencedImageSequence") or []
    return str(items[0].ReferencedSOPInstanceUID) if items else ABSENT


def _private(ds: Dataset) -> str:
    count = sum(1 for element in ds.iterall() if element.tag.is_private)
    named = ", one of them a name" if (0x0011, 0x1001) in ds else ""
    return f"{count}{named}" if count else ABSENT


def _pixels(ds: Dataset) -> str:
    return blake3(ds.PixelData).hexdigest()[:24]
