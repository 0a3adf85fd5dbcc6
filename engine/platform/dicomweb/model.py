"""Rows of the index as DICOM JSON (PS3.18 F.2).

An item is joined from text that is worked out once for each search: an answer may have ten thousand items of two dozen
attributes, and as many small dictionaries keep the garbage collector busy for longer than all the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from json.encoder import encode_basestring as quoted
from typing import Any

from sqlalchemy import Row

from engine.platform.dicomweb.keys import Key, Level

Making = Callable[[Row[Any]], str]
_CONSTANT = {
    "00080005": '{"vr":"CS","Value":["ISO_IR 192"]}',
    "00080056": '{"vr":"CS","Value":["ONLINE"]}',  # Instance Availability
    "00100030": '{"vr":"DA"}',  # a birth date is never kept
}
_RETRIEVE_URL, _PATIENT_NAME = "00081190", "00100010"
_NUMBERS = frozenset({"IS", "US"})


def maker(level: Level, keys: Sequence[Key], base: str) -> Making:
    """What makes an item's JSON of a row with the columns of `keys`; `base` is what stands before `/studies`."""
    place = {key.keyword: at for at, key in enumerate(keys)}
    elements: dict[str, Making] = {tag: _constant(text) for tag, text in _CONSTANT.items()}
    elements[_RETRIEVE_URL] = _retrieve_url(level, place, base)
    elements[_PATIENT_NAME] = _patient_name(place["PatientID"])
    for at, key in enumerate(keys):
        elements[key.tag] = _element(at, key)
    plan = [elements[tag] for tag in sorted(elements)]
    names = [f'"{tag}":' for tag in sorted(elements)]

    def make(row: Row[Any]) -> str:
        return "{" + ",".join([name + each(row) for name, each in zip(names, plan, strict=True)]) + "}"

    return make


def _constant(text: str) -> Making:
    return lambda _row: text


def _patient_name(at: int) -> Making:
    """The gateway writes the hashed ID into both."""
    return lambda row: f'{{"vr":"PN","Value":[{{"Alphabetic":{quoted(row[at])}}}]}}'


def _retrieve_url(level: Level, place: dict[str, int], base: str) -> Making:
    begins = f'{{"vr":"UR","Value":[{quoted(base + "/studies/")[:-1]}'  # UIDs need no quoting
    study = place["StudyInstanceUID"]
    if level is Level.STUDY:
        return lambda row: f'{begins}{row[study]}"]}}'
    series = place["SeriesInstanceUID"]
    if level is Level.SERIES:
        return lambda row: f'{begins}{row[study]}/series/{row[series]}"]}}'
    instance = place["SOPInstanceUID"]
    return lambda row: f'{begins}{row[study]}/series/{row[series]}/instances/{row[instance]}"]}}'


def _element(at: int, key: Key) -> Making:
    empty, begins = f'{{"vr":"{key.vr}"}}', f'{{"vr":"{key.vr}","Value":['
    if key.vr in _NUMBERS:
        return lambda row: empty if row[at] is None else f"{begins}{row[at]}]}}"
    if key.keyword == "ModalitiesInStudy":
        return lambda row: f"{begins}{_several(row[at])}]}}" if row[at] else empty
    return lambda row: f"{begins}{quoted(row[at])}]}}" if row[at] else empty


def _several(value: str) -> str:
    return ",".join(map(quoted, value.split("\\")))
