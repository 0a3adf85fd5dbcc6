"""Runs searches over the index; the results are DICOM JSON (PS3.18 F.2)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select

from engine.platform.database import Database
from engine.platform.database.objects import OBJECTS, SERIES, STUDIES
from engine.platform.dicomweb.keys import Key, Level, returned
from engine.platform.dicomweb.model import maker
from engine.platform.dicomweb.query import Search


class Searching:
    """Searches for one tenant at a time. Methods block; any thread may call them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(
        self, tenant: str, search: Search, base: str, within: tuple[ColumnElement[bool], ...] = ()
    ) -> tuple[bytes, int, bool]:
        """The results as a JSON array, their number, and whether there are more.

        `base` is what stands before `/studies` in Retrieve URLs; `within` narrows the search to what its path names.
        """
        keys = returned(search.level)
        wanted = _from(search.level, keys).where(STUDIES.c.tenant == tenant, *within, *search.conditions)
        wanted = wanted.limit(search.limit + 1).offset(search.offset)
        make = maker(search.level, keys, base)
        with self._database.read() as connection:
            found = connection.execute(wanted).all()
        items = [make(row) for row in found[: search.limit]]
        return ("[" + ",".join(items) + "]").encode("utf-8"), len(items), len(found) > search.limit


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
