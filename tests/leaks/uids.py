"""Plants of instance UIDs: at each depth, in lists, in texts, under roots that look like the standard's."""

from __future__ import annotations

from tests.leaks.plant import DEVICE, EXPLICIT_ONLY, Plant, sequence, text, uid
from tests.support.datasets import Element

MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"


def _one(place: str, name: str, tag: int, value: str = "", research: str = "") -> Plant:
    value = value or uid(name)
    return Plant(name, place, (value,), (text(tag, "UI", value),), check="uid", research=research)


def _reference(name: str) -> tuple[Element, ...]:
    return (text(0x00081150, "UI", MR_CLASS), text(0x00081155, "UI", uid(name)))


def _nested(place: str, name: str, *path: int, defined: bool = True) -> Plant:
    """A reference at the bottom of sequences."""
    inner: tuple[Element, ...] = _reference(name)
    for tag in reversed(path):
        inner = (sequence(tag, inner, defined=defined),)
    return Plant(name, place, (uid(name),), inner, check="uid")


PLANTS = (
    _one("instance UIDs", "uid-of-instance", 0x00080018),
    _one("instance UIDs", "uid-of-study", 0x0020000D),
    _one("instance UIDs", "uid-of-series", 0x0020000E),
    _one("instance UIDs", "uid-of-frame-of-reference", 0x00200052),
    _one("instance UIDs", "uid-of-device", 0x00181002, research=DEVICE),
    _one("instance UIDs", "uid-of-creator", 0x00080014),
    _one("instance UIDs that the table misses", "uid-of-multi-frame-source", 0x00081167),
    _one("instance UIDs that the table misses", "uid-of-concatenation-source", 0x00200242),
    _one("instance UIDs that the table misses", "uid-of-administration", 0x00083012),
    _one("instance UIDs that the table misses", "uid-of-table-frame", 0x00209313),
    _one("instance UIDs that the table misses", "uid-of-palette", 0x00280304),
    _one(
        "instance UID that begins like the standard's",
        "uid-standard-root",
        0x00200200,
        value=uid("std", "1.2.840.10008"),
    ),
    Plant(
        "uids-several",
        "multi-valued UID",
        (uid("several-1"), uid("several-2"), uid("several-3")),
        (text(0x00083010, "UI", "\\".join(uid(f"several-{i}") for i in (1, 2, 3))),),
        check="uid",
    ),
    Plant(
        "uids-several-nested",
        "multi-valued UID",
        (uid("deep-1"), uid("deep-2")),
        (sequence(0x00540016, (text(0x00083010, "UI", uid("deep-1") + "\\" + uid("deep-2")),)),),
        check="uid",
        alone=True,
    ),
    _nested("nested UIDs", "uid-referenced-image", 0x00081140),
    _nested("nested UIDs", "uid-source-image", 0x00082112, defined=False),
    _nested("nested UIDs", "uid-referenced-study", 0x00081110),
    _nested("nested UIDs", "uid-deep", 0x00089215, 0x00082112, 0x0040A170),
    _nested("nested UIDs in functional groups", "uid-functional-groups", 0x52009230, 0x00089124, 0x00082112),
    Plant(
        "uid-in-comment",
        "UID inside a text",
        (uid("in-comment"),),
        (text(0x00204000, "LT", f"see {uid('in-comment')} of last year"),),
        check="uid",
        alone=True,
    ),
    Plant(
        "uid-in-description",
        "UID inside a text",
        (uid("in-description"),),
        (text(0x0008103E, "LO", "MPR " + uid("in-description")),),
        check="uid",
        alone=True,
    ),
    Plant(
        "uid-in-url",
        "UID inside a text",
        (uid("in-url"),),
        (text(0x00081190, "UR", "https://pacs.example/studies/" + uid("in-url")),),
        check="uid",
        alone=True,
    ),
    Plant(
        "uid-under-un",
        "UID under VR UN",
        (uid("under-un"),),
        (text(0x00200052, "UN", uid("under-un")),),
        check="uid",
        syntaxes=EXPLICIT_ONLY,
        alone=True,
    ),
    Plant(
        "uid-under-lo",
        "UID under a text VR",
        (uid("under-lo"),),
        (text(0x00200052, "LO", uid("under-lo")),),
        check="uid",
        syntaxes=EXPLICIT_ONLY,
        alone=True,
    ),
    Plant(
        "uid-of-private-element",
        "private UID",
        (uid("private"),),
        (text(0x00110010, "LO", "ACME 1.0"), text(0x00111003, "UI", uid("private"))),
        check="uid",
    ),
    Plant(
        "uid-of-instance-only-in-meta",
        "file meta information",
        (uid("meta-instance"),),
        meta=(text(0x00020003, "UI", uid("meta-instance")),),
        check="uid",
        alone=True,
    ),
)
