"""The answer key: identifiers in all the places that de-identifiers are known to forget. None survives the shipped profiles, in
any transfer syntax, judged on the bytes that go out; and each check finds its plant in the untouched object."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO

import pydicom
import pytest

from engine.errors import Refusal
from tests.leaks.answer_key import PLACES, PLANTS
from tests.leaks.objects import CLASSES, SYNTAXES, carrier, content, crowds
from tests.leaks.plant import ALL, Plant
from tests.support.rewritten import refusal_of, rewritten

PROFILES = ("default", "research")
# A profile that changes nothing still writes its own file meta group and drops what is no attribute of an object.
GONE_WITH_EVERY_PROFILE = {
    "preamble",
    "meta-source-ae",
    "meta-sending-ae",
    "meta-receiving-ae",
    "meta-source-address",
    "meta-implementation-version",
    "meta-unknown",
    "meta-private-information",
    "uid-of-instance-only-in-meta",
    "group-length-text",
    "trailing-few-bytes",
    # What cannot be what its tag says is not kept under any profile.
    "text-in-a-class-uid",
    "text-in-a-number-s-place",
    "text-in-a-sequence-s-place",
    "uid-under-lo",
    "un-not-understood",
}

by_id = pytest.mark.parametrize("plant", PLANTS, ids=str)
by_profile = pytest.mark.parametrize("profile", PROFILES)


def test_there_are_enough_plants_in_enough_places() -> None:
    assert len(PLANTS) >= 250
    assert len(PLACES) >= 100
    assert len({plant.id for plant in PLANTS}) == len(PLANTS)
    values = [value for plant in PLANTS for value in plant.values]
    assert len(set(values)) == len(values)
    assert set().union(*(plant.syntaxes for plant in PLANTS)) == ALL == set(SYNTAXES)


@by_id
def test_the_untouched_object_fails_the_check_for_each_value(plant: Plant) -> None:
    for encoding in plant.syntaxes:
        untouched = content(carrier([plant], encoding))
        for value in plant.values:
            assert replace(plant, values=(value,)).survives_in(untouched), (encoding, value)


@by_id
def test_an_object_without_the_plant_passes_the_check(plant: Plant) -> None:
    nothing = replace(plant, elements=(), behind=(), meta=(), preamble=b"", trailing=b"", stream=b"")
    for encoding in plant.syntaxes:
        assert not plant.survives_in(content(carrier([nothing], encoding)))


@by_profile
@by_id
def test_a_plant_does_not_survive(plant: Plant, profile: str) -> None:
    kept = profile == "research" and bool(plant.research)
    for encoding in plant.syntaxes:
        source = carrier([plant], encoding)
        if encoding in plant.refused:
            assert refusal_of(source, profile) == plant.refused[encoding]
        else:
            assert plant.survives_in(content(rewritten(source, profile))) is kept, encoding


@by_profile
@pytest.mark.parametrize("encoding", sorted(SYNTAXES))
def test_none_of_a_crowd_of_plants_survives(encoding: str, profile: str) -> None:
    for crowd in crowds(PLANTS):
        members = [plant for plant in crowd if encoding in plant.syntaxes]
        source = content(carrier(members, encoding))
        output = rewritten(carrier(members, encoding), profile)
        _reads_well(output)
        for plant in members:
            assert plant.survives_in(source), plant.id
            kept = profile == "research" and bool(plant.research)
            assert plant.survives_in(content(output)) is kept, plant.id


def test_the_crowds_hold_most_plants_in_few_objects() -> None:
    sizes = [len(crowd) for crowd in crowds(PLANTS)]
    assert sum(sizes) > len(PLANTS) * 2 / 3
    assert len(sizes) <= 4


def test_few_objects_are_quarantined() -> None:
    objects = sum(len(plant.syntaxes) for plant in PLANTS)
    assert sum(len(plant.refused) for plant in PLANTS) < 0.1 * objects
    codes = {code for plant in PLANTS for code in plant.refused.values()}
    assert codes == {"leak", "document", "pixel-text", "bad-vr", "truncated"}


@pytest.mark.parametrize(
    "plant", [plant for plant in PLANTS if plant.id != "group-0002-in-data-set"], ids=str
)
def test_a_profile_that_keeps_everything_lets_the_plant_through(plant: Plant) -> None:
    """So it is the profiles that remove, not the carriers that lose."""
    for encoding in plant.syntaxes:
        try:
            output = rewritten(carrier([plant], encoding), "keep-all")
        except Refusal as refusal:
            assert refusal.code == plant.refused[encoding]  # noqa: PT017 (which refusals are allowed is what is tested)
        else:
            assert plant.survives_in(content(output)) is (plant.id not in GONE_WITH_EVERY_PROFILE), encoding


def _reads_well(output: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = pydicom.dcmread(BytesIO(output))
        for element in dataset.iterall():
            assert element.VR
    assert dataset.SOPClassUID in CLASSES.values()
    assert _reads_back(dataset, ("PatientID", "StudyInstanceUID", "PixelData"))


def _reads_back(dataset: pydicom.Dataset, keywords: Sequence[str]) -> bool:
    return all(dataset.get(keyword) for keyword in keywords)
