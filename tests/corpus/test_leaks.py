"""Nothing of a real file's identifiers stands in its output, judged on the bytes; references inside a study still lead to their
objects."""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID_dictionary

from tests.support import identifiers
from tests.support.recorded import Recorded

pytestmark = pytest.mark.corpus

PROFILES = ("default", "research")
# Words that identify somebody in one attribute and nobody in another, which is kept: word → where it stands in the output.
SAID_ELSEWHERE = {
    "toshiba": "Manufacturer",
    "pixelmed": "Manufacturer",
    "offis": "Manufacturer",
    "here": "Manufacturer: Manufacturer name here",
    "cerr": "Manufacturer's Model Name",
    "galan 3t": "Manufacturer's Model Name",
    "veriq": "Manufacturer's Model Name",
    "123456": "Series Number",
    "00000000": "Device Serial Number, where an option keeps it",
    "jpeg": "Body Part Examined, of all places",
    "perfusion": "Image Type",
    "qiicr": "the address of an algorithm's source",
    "text": "Value Type",
    "name": "Value Type: PNAME",
    "test": "Coding Scheme Designator, Code Meaning",
    "removed": "what profiles write for what was there",
    "default": "the profile's name",
    "research": "the profile's name",
}
# UIDs of definitions by others than the standard, under attributes that hold nothing else.
DEFINITIONS = {
    "1.2.276.0.7230010.3.0.0.1": "Coding Scheme UID of DCMTK",
    "1.3.6.1.4.1.5962.98.1": "Coding Scheme UID of PixelMed",
    "1.3.46.670589.11": "Creator-Version UID of Philips",
    "1.3.12.2.1107.5.9.1": "Siemens' private SOP class",
}
KEPT_BY_OPTION = {"default": set[str](), "research": {"StationName", "DeviceSerialNumber", "DetectorID"}}
STANDARD = "1.2.840.10008."


@dataclass(frozen=True)
class Looked:
    """What one input says (`wanted` identifiers, `found` in itself), and by profile what of it stands in its output, and which
    UID became which."""

    source: Path
    study: str
    instance: str
    uids: set[str]
    wanted: int
    found: int
    left: dict[str, dict[str, str]]
    said: dict[str, set[str]]
    became: dict[str, list[tuple[str, str, str]]]


def _look(work: tuple[Path, dict[str, Path]]) -> Looked:
    source, outputs = work
    dataset = identifiers.read(source)
    wanted = identifiers.identifiers(dataset)
    before = identifiers.uids(dataset)
    left, said, became = {}, {}, {}
    for profile, path in outputs.items():
        output = identifiers.read(path)
        content = identifiers.outside_pixels(path, output)
        left[profile] = identifiers.hits(wanted, content)
        said[profile] = identifiers.uid_tokens(content)
        after = identifiers.uids(output)
        became[profile] = [
            (keyword_for_tag(at[-1]), old, new)
            for at, values in before.items()
            if at[0] >> 16 != 2
            for old, new in zip(values, after.get(at, ()), strict=False)
            if old
        ]
    content = identifiers.outside_pixels(source, dataset)
    return Looked(
        source,
        str(dataset.get("StudyInstanceUID", "")),
        str(dataset.get("SOPInstanceUID", "")),
        identifiers.uid_tokens(content),
        len(wanted),
        len(identifiers.hits(wanted, content)),
        left,
        said,
        became,
    )


@pytest.fixture(scope="module")
def looked(by_default: Recorded, by_research: Recorded) -> list[Looked]:
    runs = {"default": by_default.output_of, "research": by_research.output_of}
    sources = sorted(set().union(*runs.values()))
    work = [(s, {profile: run[s] for profile, run in runs.items() if s in run}) for s in sources]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(_look, work, chunksize=16)


def _of(looked: list[Looked], profile: str) -> Iterator[Looked]:
    return (one for one in looked if profile in one.left)


def test_nearly_every_file_has_an_output_by_default(by_default: Recorded) -> None:
    assert len(by_default.output_of) > 2000


def test_nearly_every_file_has_an_output_by_research(by_research: Recorded) -> None:
    assert len(by_research.output_of) > 2000


def test_nearly_every_identifier_is_found_where_it_came_from(looked: list[Looked]) -> None:
    wanted, found = sum(one.wanted for one in looked), sum(one.found for one in looked)
    assert wanted > 15_000
    assert found > 0.99 * wanted


@pytest.mark.parametrize("profile", PROFILES)
def test_no_name_id_or_date_of_an_input_stands_in_its_output(looked: list[Looked], profile: str) -> None:
    found = defaultdict(set)
    for one in _of(looked, profile):
        for word, attribute in one.left[profile].items():
            if word in SAID_ELSEWHERE or attribute in KEPT_BY_OPTION[profile]:
                continue
            found[f"{attribute}: {word}"].add(str(one.source))
    assert found == {}


def test_each_reviewed_word_is_found_in_some_output(looked: list[Looked]) -> None:
    assert set(SAID_ELSEWHERE) <= {word for one in looked for left in one.left.values() for word in left}


@pytest.mark.parametrize("profile", PROFILES)
def test_no_instance_uid_of_any_input_stands_in_any_output(looked: list[Looked], profile: str) -> None:
    originals = set().union(*(one.uids for one in looked))
    assert len(originals) > 2500
    written = set().union(*(one.said[profile] for one in _of(looked, profile)))
    found = originals & written
    known = {uid for uid in found if uid in UID_dictionary or uid.startswith(STANDARD)}
    assert found - known == set(DEFINITIONS)


@pytest.mark.parametrize("profile", PROFILES)
def test_references_inside_a_study_lead_to_the_same_objects(looked: list[Looked], profile: str) -> None:
    new_of: dict[tuple[str, str], str] = {}
    for one in _of(looked, profile):
        for keyword, old, new in one.became[profile]:
            if keyword == "SOPInstanceUID" and old == one.instance:
                assert new_of.setdefault((one.study, old), new) == new
    resolved = 0
    for one in _of(looked, profile):
        for keyword, old, new in one.became[profile]:
            expected = new_of.get((one.study, old))
            if expected is not None:
                assert new == expected, (one.source, keyword)
                resolved += keyword == "ReferencedSOPInstanceUID"
    assert resolved > 20


@pytest.mark.parametrize("profile", PROFILES)
def test_one_uid_of_a_study_becomes_one_and_two_become_two(looked: list[Looked], profile: str) -> None:
    forward: dict[tuple[str, str], str] = {}
    backward: dict[str, tuple[str, str]] = {}
    for one in _of(looked, profile):
        for _, old, new in one.became[profile]:
            if old and old != new and one.study:
                assert forward.setdefault((one.study, old), new) == new
                assert backward.setdefault(new, (one.study, old)) == (one.study, old)
    assert len(forward) > 2000
