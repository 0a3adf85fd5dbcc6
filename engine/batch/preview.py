"""An object before and after, attribute by attribute: what a dry run shows. Original values stand in it, by design.

`compare` looks at the two data sets and at nothing else, so what it tells is what was done, not what was meant; only the name of
the action comes from the profile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from engine._native.program import ACTIONS, Program

ABSENT: Final = ""
BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
IDENTITY: Final = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "AccessionNumber",
    "StudyID",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "ReferringPhysicianName",
    "InstitutionName",
)
"""What people look at first."""

_NAMES: Final = {code: name for name, code in ACTIONS.items()}


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute that is not what it was. `where` leads to it from the top level, by keywords; `what` is "removed",
    "emptied", "replaced" or "added"; `action` is the profile's, "private" for private elements."""

    where: tuple[str, ...]
    tag: str
    what: str
    action: str
    before: str
    after: str


def identity(before: Dataset, after: Dataset) -> list[tuple[str, str, str]]:
    """(keyword, before, after) of the attributes that say who this is, where the original or the output has them."""
    rows = [(keyword, _of(before, keyword), _of(after, keyword)) for keyword in IDENTITY]
    return [row for row in rows if row[1] or row[2]]


def compare(before: Dataset, after: Dataset, program: Program) -> list[Change]:
    """Every attribute that differs, in the order of tags; items of sequences one by one. What has not changed is left out."""
    return list(_differences(before, after, program, ()))


def show(element: DataElement | None) -> str:
    """A value in words: "" where there is none, sizes for what is binary or a sequence."""
    if element is None:
        return ABSENT
    if element.VR == "SQ":
        count = len(element.value or ())
        return f"({count} item{'' if count == 1 else 's'})"
    value: Any = element.value
    if element.VR in BINARY or isinstance(value, bytes):
        return f"({len(value or b''):,} bytes)"
    if value is None:
        return ""
    return "\\".join(map(str, value)) if element.VM > 1 else str(value)


def _differences(
    before: Dataset, after: Dataset, program: Program, where: tuple[str, ...]
) -> Iterator[Change]:
    for tag in sorted({*before.keys(), *after.keys()}):
        if tag.element == 0:
            continue  # group lengths say nothing of anybody
        old, new = _element(before, tag), _element(after, tag)
        path = (*where, _name(int(tag), old))
        if old is not None and new is not None and old.VR == new.VR == "SQ" and len(new.value):
            for number, (one, other) in enumerate(zip(old.value, new.value, strict=False), 1):
                inside = (*path[:-1], path[-1] + (f"[{number}]" if len(old.value) > 1 else ""))
                yield from _differences(one, other, program, inside)
            if len(old.value) == len(new.value):
                continue
        told_old, told_new = show(old), show(new)
        if (old is None) == (new is None) and (told_old == told_new or _equal(old, new)):
            continue
        what = "added" if old is None else "removed" if new is None else "replaced" if told_new else "emptied"
        yield Change(
            path, _format(int(tag)), what, _action(program, int(tag), bool(where)), told_old, told_new
        )


def _element(ds: Dataset, tag: int) -> DataElement | None:
    """None where it is absent. A value that pydicom cannot make sense of is taken as its bytes."""
    if tag not in ds:
        return None
    try:
        return ds[tag]
    except Exception:  # noqa: BLE001 - whatever is wrong with the original, the dry run goes on
        raw = ds.get_item(tag)
        return DataElement(tag, "UN", getattr(raw, "value", None) or b"")


def _equal(old: DataElement | None, new: DataElement | None) -> bool:
    return old is not None and new is not None and old.VR not in BINARY and bool(old.value == new.value)


def _of(ds: Dataset, keyword: str) -> str:
    element = ds.get(keyword) if keyword in ds else None
    return show(ds[keyword]) if element is not None else ABSENT


def _name(tag: int, element: DataElement | None) -> str:
    """The keyword; of a private element what pydicom knows of it."""
    known = keyword_for_tag(tag)
    if not known and element is not None and tag >> 16 & 1 and element.name.startswith("["):
        return f"{_format(tag)} {element.name}"
    return known or _format(tag)


def _format(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _action(program: Program, tag: int, nested: bool) -> str:
    if tag >> 16 & 1:
        return "private"
    rule = program.explain(tag)
    action = _NAMES[int(rule["nested" if nested else "top"])] if rule else "unknown"
    return "hash" if action.startswith("hash") else action
