"""Hypothesis strategies: data sets as pydicom writes them, trees of elements in any form, damage to bytes, programs."""

from __future__ import annotations

import datetime
import os
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from engine._native.program import ACTIONS, Program
from engine.dicom import dictionary
from tests.support.datasets import NUMBER_BYTES, SYNTAXES, Element, Syntax
from tests.support.rewriting import PLAIN_VRS, tag_of


def examples(count: int) -> settings:
    """Settings for `count` examples; the environment's PENSTOCK_EXAMPLES multiplies them for a long run."""
    factor = float(os.environ.get("PENSTOCK_EXAMPLES", "1"))
    return settings(
        max_examples=max(1, int(count * factor)), deadline=None, suppress_health_check=list(HealthCheck)
    )


TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x24F, exclude_characters="\\^=\x7f"), max_size=8
)
# 64 characters at the most (PS3.5 9.1): five numbers of twelve digits, and dots.
UID = st.lists(st.integers(0, 2**39), min_size=2, max_size=5).map(lambda parts: ".".join(map(str, parts)))
BYTES = st.binary(max_size=24).map(lambda value: value + b"\0" if len(value) & 1 else value)
DATE = st.dates(datetime.date(1000, 1, 1)).map(lambda day: day.strftime("%Y%m%d"))


def _integers(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else st.integers(0, (1 << bits) - 1)


def _several(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, st.lists(values, min_size=2, max_size=3))


def _sized(width: int) -> st.SearchStrategy[bytes]:
    return st.binary(max_size=24).map(lambda value: value[: len(value) // width * width])


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "AE": st.text("ABC123_", max_size=12),
    "AS": st.builds("{:03d}{}".format, st.integers(0, 999), st.sampled_from("DWMY")),
    "AT": _several(st.integers(0, 0xFFFFFFFF)),
    "CS": st.text("ABC123_ ", max_size=12),
    "DA": _several(DATE),
    "DS": _several(st.decimals(Decimal(-1000), Decimal(1000), places=3).map(str)),
    "DT": st.builds("{}{:02d}".format, DATE, st.integers(0, 23)),
    "FD": _several(st.floats(allow_nan=False)),
    "FL": _several(st.floats(allow_nan=False, width=32)),
    "IS": _several(_integers(32, signed=True)),
    "LO": TEXT,
    "LT": TEXT,
    "OB": BYTES,
    "OD": _sized(8),
    "OF": _sized(4),
    "OL": _sized(4),
    "OV": _sized(8),
    "OW": _sized(2),
    "PN": st.lists(TEXT, min_size=1, max_size=3).map("^".join),
    "SH": TEXT,
    "SL": _several(_integers(32, signed=True)),
    "SS": _several(_integers(16, signed=True)),
    "ST": TEXT,
    "SV": _several(_integers(64, signed=True)),
    "TM": st.times().map(lambda time: time.strftime("%H%M%S.%f")),
    "UC": TEXT,
    "UI": _several(UID),
    "UL": _several(_integers(32, signed=False)),
    "UN": BYTES,
    "UR": st.text("abc/.-", max_size=9).map("https://".__add__),
    "US": _several(_integers(16, signed=False)),
    "UT": TEXT,
    "UV": _several(_integers(64, signed=False)),
}


@cache
def _attributes() -> list[tuple[int, str]]:
    """Standard attributes that a data set may hold anywhere, with one VR each, as pydicom knows them, too."""
    taken = (0x0000, 0x0002, 0x7FE0, 0xFFFA, 0xFFFC, 0xFFFE)
    return [
        (row.tag, row.vr)
        for row in dictionary.attributes().values()
        if row.tag >> 16 not in taken
        and row.tag != 0x00080005
        and row.vr in VALUES
        and row.vr != "UN"
        and dictionary_has_tag(row.tag)
        and dictionary_VR(row.tag) == row.vr
    ]


@st.composite
def pydicom_datasets(draw: st.DrawFn, depth: int = 3) -> Dataset:
    """Any VR, private blocks, sequences in sequences, defined and undefined lengths."""
    dataset = Dataset()
    known = _attributes()
    for tag, vr in (known[n] for n in draw(st.lists(st.integers(0, len(known) - 1), max_size=6))):
        dataset.add(DataElement(tag, vr, draw(VALUES[vr])))
    if draw(st.booleans()):
        block = dataset.private_block(draw(st.sampled_from((0x0019, 0x2005))), "ACME", create=True)
        vr = draw(st.sampled_from([vr for vr in VALUES if vr != "UN"]))
        block.add_new(draw(st.integers(0, 255)), vr, draw(VALUES[vr]))
    if depth and draw(st.booleans()):
        for tag in draw(
            st.lists(st.sampled_from((0x00081140, 0x00081110, 0x00400275)), max_size=2, unique=True)
        ):
            items = draw(st.lists(pydicom_datasets(depth - 1), max_size=2))
            for one in items:
                one.is_undefined_length_sequence_item = draw(st.booleans())
            element = DataElement(tag, "SQ", Sequence(items))
            element.is_undefined_length = draw(st.booleans())
            dataset.add(element)
    return dataset


def written(dataset: Dataset, syntax: Syntax) -> bytes:
    """The data set as pydicom writes it."""
    target = DicomBytesIO()
    target.is_implicit_VR, target.is_little_endian = not syntax.explicit, not syntax.big
    write_dataset(target, dataset, "utf-8")
    return bytes(target.getvalue())


# ---- trees of elements, and programs for them ---------------------------------------------------------------------------

TAGS = {vr: tag_of(vr) for vr in PLAIN_VRS}
SEQUENCES = (0x00081140, 0x00081110, 0x0040A730, 0x00081032)
PRIVATE = (0x00190010, 0x00191001, 0x00191002, 0x00190011)
WILD = b"".join(bytes([c]) for c in b"\\ \0^019AZ.")
RAW = st.one_of(st.binary(max_size=20), st.lists(st.sampled_from(WILD), max_size=30).map(bytes))


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> Element:
    """One element, whose VR may contradict its tag and whose value may contradict its VR."""
    kind = draw(st.integers(0, 9))
    if kind >= 8 and depth:
        items = draw(st.lists(st.lists(elements(depth - 1), max_size=4), max_size=3))
        return Element(
            draw(st.sampled_from(SEQUENCES)),
            draw(st.sampled_from(("SQ", "SQ", "UN"))),
            items,
            defined=draw(st.booleans()),
            items_defined=draw(st.booleans()),
            content=draw(st.sampled_from((None, None, *SYNTAXES))),
        )
    vr = draw(st.sampled_from(PLAIN_VRS))
    if kind == 7:
        tag = draw(st.sampled_from((0x00080005, 0x00080100, 0x00080102, 0x00080104, 0x0040A043, *PRIVATE)))
        value = draw(st.sampled_from((b"ISO_IR 100", b"ACME", b"DCM ", b"1.2", b"")))
        return Element(tag, draw(st.sampled_from(("LO", "SH", "CS"))), value)
    if kind == 6:
        return Element(TAGS[vr], "OB", fragments=tuple(draw(st.lists(st.binary(max_size=6), max_size=3))))
    return Element(TAGS[vr], vr if kind else draw(st.sampled_from(PLAIN_VRS)), draw(RAW))


def sized(vr: str, value: bytes) -> bytes:
    """Cut to whole numbers of the VR."""
    return value[: len(value) // NUMBER_BYTES.get(vr, 1) * NUMBER_BYTES.get(vr, 1)]


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Any action at any tag that `elements` uses, constants, private rows, paths, insertions, flags."""
    action = st.sampled_from(sorted(ACTIONS.values()))
    mild = st.sampled_from([ACTIONS[name] for name in ("keep", "remove", "quarantine")])
    constants = [b"", b"DUMMY", bytes(8), b"19000101"]
    argument = st.integers(0, len(constants) - 1)
    vrs = {TAGS[vr]: vr for vr in PLAIN_VRS} | dict.fromkeys(SEQUENCES, "SQ")
    vrs |= {0x00080005: "CS", 0x00080100: "SH", 0x00080102: "SH", 0x00080104: "LO", 0x0040A043: "SQ"}
    rules = [(tag, vr, draw(action), draw(action), draw(argument)) for tag, vr in vrs.items()]
    inserted = draw(st.lists(st.sampled_from([t for t in vrs if vrs[t] != "SQ"]), max_size=3, unique=True))
    values = st.one_of(st.sampled_from(["hashed-id", "study-id"]), RAW)
    way = st.lists(st.sampled_from(sorted(vrs)), min_size=1, max_size=3).map(tuple)
    return Program(
        rules=rules,
        constants=constants,
        private=[(0x0019, b"ACME", low, "DS", draw(action), 0) for low in (1, 2)],
        vr_rules={
            vr: (draw(action), draw(argument))
            for vr in draw(st.sets(st.sampled_from(("DA", "TM", "DT", "UI", "PN"))))
        },
        insertions=[(tag, vrs[tag], draw(values)) for tag in inserted],
        paths=[(tags, draw(action), 0) for tags in draw(st.lists(way, max_size=2, unique=True))],
        flags={name: draw(mild) for name in ("unknown_standard", "unknown_private", "group_lengths")},
        identifiers=draw(st.lists(st.sampled_from(sorted(vrs)), max_size=3)),
        public_schemes=[b"DCM"],
        concepts=[(b"DCM", b"1", draw(action))],
    )


@st.composite
def damage(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes with some changed, cut, doubled or moved: lengths and delimiters, too."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(0, 4))):
        if not changed:
            break
        at = draw(st.integers(0, len(changed) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                changed[at] = draw(st.sampled_from((0, 1, 7, 8, 0x7F, 0x80, 0xFE, 0xFF)))
            case 1:
                changed[at : at + 4] = draw(
                    st.sampled_from((b"\xff\xff\xff\xff", b"\xfe\xff\xff\xff", bytes(4)))
                )
            case 2:
                del changed[at : at + draw(st.integers(1, 16))]
            case 3:
                changed[at:at] = changed[at : at + draw(st.integers(1, 32))]
            case _:
                changed[at : at + 8] = draw(
                    st.sampled_from((b"\xfe\xff\x0d\xe0" + bytes(4), b"\xfe\xff\xdd\xe0" + bytes(4)))
                )
    return bytes(changed)
