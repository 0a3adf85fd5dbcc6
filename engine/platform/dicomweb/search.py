"""Runs searches over the index; the results are DICOM JSON (PS3.18 F.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, select

from engine.platform.database import Database
from engine.platform.database.objects import OBJECTS, SERIES, STUDIES
from engine.platform.dicomweb.keys import Key, Level, returned
from engine.platform.dicomweb.query import Search

Item = dict[str, dict[str, Any]]
_UTF8: dict[str, Any] = {"vr": "CS", "Value": ["ISO_IR 192"]}
_ONLINE: dict[str, Any] = {"vr": "CS", "Value": ["ONLINE"]}
_NOBODY_KNOWS: dict[str, Any] = {"vr": "DA"}  # a birth date is never kept
_NUMBERS = frozenset({"IS", "US"})


class Searching:
    """Searches for one tenant at a time. Methods block; any thread may call them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(
        self, tenant: str, search: Search, base: str, within: tuple[ColumnElement[bool], ...] = ()
    ) -> tuple[list[Item], bool]:
        """The results, and whether there are more. `base` is what stands before `/studies` in Retrieve URLs; `within` narrows
        the search to what its path names.
        """
        keys = returned(search.level)
        wanted = _from(search.level, keys).where(STUDIES.c.tenant == tenant, *within, *search.conditions)
        wanted = wanted.limit(search.limit + 1).offset(search.offset)
        make = _maker(search.level, keys, base)
        with self._database.read() as connection:
            found = connection.execute(wanted).all()
        return [make(row) for row in found[: search.limit]], len(found) > search.limit


def _from(level: Level, keys: list[Key]) -> Select[Any]:
    wanted = select(*(key.column for key in keys)).select_from(STUDIES)
    if level is Level.STUDY:
        return wanted.order_by(STUDIES.c.last_received.desc(), STUDIES.c.study_instance_uid.desc())
    same_study = and_(
        SERIES.c.tenant == STUDIES.c.tenant, SERIES.c.study_instance_uid == STUDIES.c.study_instance_uid
    )
    wanted = wanted.join(SERIES, same_study)
    if level is Level.SERIES:
        return wanted.order_by(SERIES.c.study_instance_uid, SERIES.c.series_instance_uid)
    same_series = and_(
        OBJECTS.c.tenant == SERIES.c.tenant,
        OBJECTS.c.study_instance_uid == SERIES.c.study_instance_uid,
        OBJECTS.c.series_instance_uid == SERIES.c.series_instance_uid,
    )
    order = OBJECTS.c.study_instance_uid, OBJECTS.c.series_instance_uid, OBJECTS.c.sop_instance_uid
    return wanted.join(OBJECTS, same_series).order_by(*order)


def _maker(level: Level, keys: list[Key], base: str) -> Callable[[Row[Any]], Item]:
    """What makes an item of a row; worked out once for each search, since a page may have ten thousand."""
    plan = [(key.tag, key.vr, key.vr in _NUMBERS, key.keyword == "ModalitiesInStudy") for key in keys]
    place = {key.keyword: at for at, key in enumerate(keys)}
    study, patient = place["StudyInstanceUID"], place["PatientID"]
    series, instance = place.get("SeriesInstanceUID", 0), place.get("SOPInstanceUID", 0)

    def make(row: Row[Any]) -> Item:
        url = f"{base}/studies/{row[study]}"
        if level is not Level.STUDY:
            url += f"/series/{row[series]}"
        if level is Level.INSTANCE:
            url += f"/instances/{row[instance]}"
        item: Item = {
            "00080005": _UTF8,
            "00080056": _ONLINE,
            "00081190": {"vr": "UR", "Value": [url]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": row[patient]}]},
            "00100030": _NOBODY_KNOWS,
        }
        for (tag, vr, number, several), value in zip(plan, row, strict=True):
            if value is None or value == "":
                item[tag] = {"vr": vr}
            elif several:
                item[tag] = {"vr": vr, "Value": value.split("\\")}
            else:
                item[tag] = {"vr": vr, "Value": [value if number else str(value)]}
        return item

    return make
