"""One object that holds every row of PS3.15 Table E.1-1, at three depths, in several encodings; and what became of it.

Each row's attribute stands at the top level, in an item of a standard sequence, and in an item of a private sequence
that the profile recurses into. Its value is the row's own, so that it can be looked for in the output as bytes.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pydicom
from pydicom.dataelem import RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.values import convert_SQ

from engine.dicom import dictionary
from engine.profile import Profile, compile_profile
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import write_plan
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.support.datasets import BIG, EXPLICIT, IMPLICIT, Element, Syntax, encode, even, part10

DEFLATED = Syntax("1.2.840.10008.1.2.1.99", explicit=True)
ENCODINGS = {"implicit": IMPLICIT, "explicit": EXPLICIT, "big-endian": BIG, "deflated": DEFLATED}
PRIVATE_SOP_CLASS = b"1.2.826.0.1.3680043.10.999.1"
TOP, NESTED, PRIVATE = "top level", "nested", "private nested"
PLACES = (TOP, NESTED, PRIVATE)

HOLDER = 0x00540016  # Radiopharmaceutical Information Sequence: in no table, so it is recursed into
PRIVATE_CREATOR, PRIVATE_HOLDER = 0x00090010, 0x00091001
CREATOR = "ROWS"
REFERENCED_UID, MODEL, ROWS = 0x00081155, 0x00081090, 0x00280010
INSIDE = 7

_NUMBERS = {"US": "<H", "SS": "<h", "UL": "<I", "SL": "<i", "FL": "<f", "FD": "<d"}
_DUMPED = re.compile(r"^(?P<indent> *)\((?P<group>[0-9a-f]{4}),(?P<element>[0-9a-f]{4})\) \S\S (?P<rest>.*)$")


def mark_of(tag: int) -> str:
    """What stands in a row's text, and nowhere else."""
    return f"ZZ{tag:08X}"


def uid_of(tag: int) -> str:
    """What stands in a row's UID, and nowhere else."""
    return f"1.2.999.{tag}"


def value_of(tag: int, vr: str) -> bytes:
    """A row's value, padded; numbers little endian."""
    if vr in _NUMBERS:
        return struct.pack(_NUMBERS[vr], tag % 251 + 1)
    day = (date(1950, 1, 1) + timedelta(days=tag % 9973)).strftime("%Y%m%d")
    times = {"AS": "093Y", "DA": day, "DT": f"{day}101112.5", "TM": "101112"}
    numbers = {"DS": f"{tag % 9973}.5", "IS": str(tag % 9973)}
    special = {"UI": uid_of(tag), "PN": f"{mark_of(tag)}^Q", "UR": f"urn:{mark_of(tag)}", **times, **numbers}
    return even(special.get(vr, mark_of(tag)).encode(), b"\0" if vr in ("UI", "OB", "UN") else b" ")


def row(tag: int, vr: str) -> Element:
    """A row's attribute. A sequence holds a text, a reference and a number, so that it shows what happens inside."""
    if vr != "SQ":
        return Element(tag, vr, value_of(tag, vr))
    inside = [
        Element(MODEL, "LO", mark_of(tag).encode()),
        Element(REFERENCED_UID, "UI", value_of(tag, "UI")),
        Element(ROWS, "US", struct.pack("<H", INSIDE)),
    ]
    return Element(tag, "SQ", [inside])


def build(rows: Iterable[tuple[int, str]], syntax: Syntax, sop_class: bytes = PRIVATE_SOP_CLASS) -> bytes:
    """A file with every (tag, VR) of `rows` at three depths. Groups below 0008 stand in the items only."""
    inside = [row(tag, vr) for tag, vr in sorted(rows)]
    top = {part.tag: part for part in inside if part.tag >> 16 >= 8}
    top[0x00080016] = Element(0x00080016, "UI", even(sop_class, b"\0"))
    top[HOLDER] = Element(HOLDER, "SQ", [inside])
    top[PRIVATE_CREATOR] = Element(PRIVATE_CREATOR, "LO", CREATOR.encode())
    top[PRIVATE_HOLDER] = Element(PRIVATE_HOLDER, "SQ", [inside])
    data = encode([top[tag] for tag in sorted(top)], syntax)
    if syntax is DEFLATED:
        packer = zlib.compressobj(wbits=-15)
        data = even(packer.compress(data) + packer.flush(), b"\0")
    return part10(data, syntax.uid, sop_class=sop_class, sop_instance=uid_of(0x00080018).encode())


@dataclass
class Outcome:
    """What became of the object: by place the elements that pydicom and dcmdump found, and all bytes of the data
    set."""

    pydicom: dict[str, Dataset] = field(default_factory=dict)
    dcmdump: dict[str, dict[int, str]] = field(default_factory=dict)
    content: bytes = b""


def rewrite(profile: Profile, source: bytes, folder: Path) -> Outcome:
    """Rewrites the file as the gateway and `batch` do, and reads the result with both readers."""
    before, after = folder / "before.dcm", folder / "after.dcm"
    before.write_bytes(source)
    worker = Pseudonymizer(compile_profile(profile), HashSecret(bytes(range(32))))
    fd, out = os.open(before, os.O_RDONLY), os.open(after, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        write_plan(worker.plan(fd, len(source), bytes(32)), fd, out)
    finally:
        os.close(fd)
        os.close(out)
    return read(after)


def read(path: Path) -> Outcome:
    """Both readers' view of a file that `build` made, or of its output."""
    dataset = pydicom.dcmread(path)
    found = Outcome(pydicom={TOP: _with_known_vrs(dataset)})
    for place, holder in ((NESTED, HOLDER), (PRIVATE, PRIVATE_HOLDER)):
        items = _items(dataset, holder)
        found.pydicom[place] = _with_known_vrs(items[0]) if items else Dataset()
    found.dcmdump = dict(_dumped(path))
    raw = path.read_bytes()
    start = 132 + 12 + struct.unpack("<I", raw[140:144])[0]
    syntax = dataset.file_meta.TransferSyntaxUID
    deflated = syntax == DEFLATED.uid
    found.content = zlib.decompressobj(wbits=-15).decompress(raw[start:]) if deflated else raw[start:]
    return found


def _with_known_vrs(dataset: Dataset) -> Dataset:
    """The data set with the VRs of attributes that are newer than pydicom's dictionary, where VRs are implicit."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="VR lookup failed")
        elements = list(dataset)
    for element in elements:
        known = dictionary.lookup(int(element.tag))
        if element.VR != "UN" or known is None or known.vr == "UN":
            continue
        value = element.value or b""
        raw = RawDataElement(element.tag, known.vr, len(value), value, 0, True, True)
        dataset[element.tag] = convert_raw_data_element(raw)
    return dataset


def _items(dataset: Dataset, holder: int) -> Sequence[Dataset]:
    """The items of a holder. Where VRs are implicit no reader knows that a private element is a sequence."""
    if holder not in dataset:
        return []
    found = dataset[holder]
    if found.VR != "UN":
        return list(found.value)
    return list(convert_SQ(found.value, is_implicit_VR=True, is_little_endian=True))


def _dumped(path: Path) -> Iterator[tuple[str, dict[int, str]]]:
    """By place: tag -> what dcmdump prints for its value; a place that it does not see into is left out. It must not
    complain."""
    if shutil.which("dcmdump") is None:
        return
    done = subprocess.run(["dcmdump", "-q", "+L", str(path)], capture_output=True, check=True)
    assert done.stderr == b"", done.stderr
    places: dict[str, dict[int, str]] = {place: {} for place in PLACES}
    holder = ""
    for line in done.stdout.decode("latin-1").splitlines():
        found = _DUMPED.match(line)
        if found is None:
            continue
        tag = int(found["group"] + found["element"], 16)
        depth = len(found["indent"])
        if depth == 0:
            holder = {HOLDER: NESTED, PRIVATE_HOLDER: PRIVATE}.get(tag, "")
            if tag >> 16 >= 8:
                places[TOP][tag] = found["rest"]
        elif depth == 4 and holder:
            places[holder][tag] = found["rest"]
    yield from ((place, found) for place, found in places.items() if found)
