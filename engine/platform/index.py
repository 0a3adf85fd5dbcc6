"""What the platform knows of its objects: reading, and the transactions that add to it.

Several processes may use one index; writers take turns. Every method blocks: call it off the event loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from sqlalchemy import Row, Select, select, tuple_

from engine.platform.database import Database
from engine.platform.database.connection import take_turns
from engine.platform.database.objects import OBJECTS, SERIES, STUDIES
from engine.platform.rows import Attributes, IndexRow, SeriesRow, StudyRow
from engine.platform.writing import Writing, object_of

__all__ = ["Attributes", "Index", "IndexRow", "SeriesRow", "StudyRow"]

_AT_ONCE = 500  # rows of one page, values in one IN list
Place = tuple[str, str]
"""Series and SOP Instance UID, by which the objects of a study are ordered."""


class Index:
    """The index of one database. Any thread may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[Writing]:
        """Add rows inside; all are durable at the end, or none is there."""
        with self._database.begin() as connection:
            take_turns(connection, "objects")
            yield Writing(connection)

    def find(self, tenant: str, sop_instance_uid: str) -> IndexRow | None:
        """The row of one object, or None."""
        wanted = select(OBJECTS).where(
            OBJECTS.c.tenant == tenant, OBJECTS.c.sop_instance_uid == sop_instance_uid
        )
        with self._database.read() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else object_of(row)

    def holds(self, object_ids: Collection[str]) -> set[str]:
        """Those object ids that a row names."""
        given, found = sorted(object_ids), set[str]()
        with self._database.read() as connection:
            for at in range(0, len(given), _AT_ONCE):
                named = OBJECTS.c.object_id.in_(given[at : at + _AT_ONCE])
                found.update(connection.scalars(select(OBJECTS.c.object_id).where(named)))
        return found

    def studies(
        self, tenant: str, hashed_id: str | None, study_instance_uid: str | None, limit: int, offset: int
    ) -> list[StudyRow]:
        """Studies of a tenant, the latest first."""
        wanted = select(*_STUDY).where(STUDIES.c.tenant == tenant)
        if hashed_id is not None:
            wanted = wanted.where(STUDIES.c.hashed_id == hashed_id)
        if study_instance_uid is not None:
            wanted = wanted.where(STUDIES.c.study_instance_uid == study_instance_uid)
        wanted = wanted.order_by(STUDIES.c.last_received.desc(), STUDIES.c.study_instance_uid.desc())
        with self._database.read() as connection:
            return [_study(row) for row in connection.execute(wanted.limit(limit).offset(offset))]

    def series(self, tenant: str, study_instance_uid: str, limit: int, offset: int) -> list[SeriesRow]:
        """The series of one study, by Series Instance UID."""
        wanted = select(SERIES).where(
            SERIES.c.tenant == tenant, SERIES.c.study_instance_uid == study_instance_uid
        )
        wanted = wanted.order_by(SERIES.c.series_instance_uid).limit(limit).offset(offset)
        with self._database.read() as connection:
            return [SeriesRow(*row[1:]) for row in connection.execute(wanted)]

    def objects(
        self,
        tenant: str,
        study: str,
        series: str | None = None,
        instance: str | None = None,
        *,
        after: Place | None = None,
    ) -> list[IndexRow]:
        """The next objects of a study, a series of it or one instance of that, behind the place `after`; [] at the end."""
        place = tuple_(OBJECTS.c.series_instance_uid, OBJECTS.c.sop_instance_uid)
        wanted = _part(select(OBJECTS), tenant, study, series, instance).order_by(
            OBJECTS.c.series_instance_uid, OBJECTS.c.sop_instance_uid
        )
        if after is not None:
            wanted = wanted.where(place > tuple_(*after))
        with self._database.read() as connection:
            return [object_of(row) for row in connection.execute(wanted.limit(_AT_ONCE))]

    def transfer_syntaxes(
        self, tenant: str, study: str, series: str | None = None, instance: str | None = None
    ) -> set[str]:
        """The transfer syntaxes of the same objects; empty when there is no such thing."""
        wanted = _part(select(OBJECTS.c.transfer_syntax_uid).distinct(), tenant, study, series, instance)
        with self._database.read() as connection:
            return set(connection.scalars(wanted))

    def instances(self, tenant: str, study_instance_uid: str, limit: int, offset: int) -> list[IndexRow]:
        """Objects of one study, by Series and SOP Instance UID."""
        wanted = select(OBJECTS).where(
            OBJECTS.c.tenant == tenant, OBJECTS.c.study_instance_uid == study_instance_uid
        )
        wanted = wanted.order_by(OBJECTS.c.series_instance_uid, OBJECTS.c.sop_instance_uid)
        with self._database.read() as connection:
            return [object_of(row) for row in connection.execute(wanted.limit(limit).offset(offset))]


def _part(
    wanted: Select[Any], tenant: str, study: str, series: str | None, instance: str | None
) -> Select[Any]:
    wanted = wanted.where(OBJECTS.c.tenant == tenant, OBJECTS.c.study_instance_uid == study)
    if series is not None:
        wanted = wanted.where(OBJECTS.c.series_instance_uid == series)
    if instance is not None:
        wanted = wanted.where(OBJECTS.c.sop_instance_uid == instance)
    return wanted


_STUDY = tuple(STUDIES.c[one.name] for one in fields(StudyRow))


def _study(row: Row[Any]) -> StudyRow:
    values: tuple[Any, ...] = tuple(row)
    study, hashed_id, modalities, *rest = values
    return StudyRow(study, hashed_id, tuple(modalities.split("\\")) if modalities else (), *rest)
