"""Adding objects to the index: their own rows, and what their series and studies sum up, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from engine.platform.database.objects import OBJECTS, SERIES, STUDIES
from engine.platform.rows import Attributes, IndexRow

_OWN = tuple(one.name for one in fields(IndexRow) if one.name != "attributes")
_OF_INSTANCE = ("instance_number", "frames", "pixel_rows", "pixel_columns")
_AT_ONCE = 250
Key = tuple[str, ...]
Values = dict[str, Any]


class Writing:
    """One transaction that writes. No other one that writes objects runs beside it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], IndexRow]:
        """The rows of those (tenant, SOP Instance UID) that there are."""
        by_tenant: dict[str, list[str]] = {}
        for tenant, uid in dict.fromkeys(wanted):
            by_tenant.setdefault(tenant, []).append(uid)
        found: dict[tuple[str, str], IndexRow] = {}
        for tenant, uids in by_tenant.items():
            for at in range(0, len(uids), _AT_ONCE):
                among = OBJECTS.c.sop_instance_uid.in_(uids[at : at + _AT_ONCE])
                for row in self._connection.execute(select(OBJECTS).where(OBJECTS.c.tenant == tenant, among)):
                    found[row.tenant, row.sop_instance_uid] = object_of(row)
        return found

    def add(self, rows: Sequence[IndexRow]) -> None:
        """Add rows of objects that have none."""
        if not rows:
            return
        self._connection.execute(insert(OBJECTS), [_values(row) for row in rows])
        new_series = self._add_series(rows)
        self._add_studies(rows, new_series)

    def remove(self, rows: Sequence[IndexRow]) -> None:
        """Take away rows, and from their series and studies what they counted."""
        for row in rows:
            self._connection.execute(delete(OBJECTS).where(*_is(OBJECTS, row, "sop_instance_uid")))
            series = _is(SERIES, row, "study_instance_uid", "series_instance_uid")
            self._connection.execute(update(SERIES).where(*series).values(objects=SERIES.c.objects - 1))
            gone = self._connection.execute(delete(SERIES).where(*series, SERIES.c.objects <= 0)).rowcount
            study = _is(STUDIES, row, "study_instance_uid")
            less = {
                "objects": STUDIES.c.objects - 1,
                "bytes": STUDIES.c.bytes - row.length,
                "series": STUDIES.c.series - gone,
            }
            self._connection.execute(update(STUDIES).where(*study).values(less))
            self._connection.execute(delete(STUDIES).where(*study, STUDIES.c.objects <= 0))

    def _add_series(self, rows: Sequence[IndexRow]) -> dict[Key, int]:
        """Returns how many series of each study are new."""
        groups = _grouped(rows, "tenant", "study_instance_uid", "series_instance_uid")
        known = self._known(SERIES, groups)
        new: list[Values] = []
        more: list[Values] = []
        counts: dict[Key, int] = {}
        for key, members in groups.items():
            counted = {"objects": len(members), "last_received": max(row.received for row in members)}
            if key in known:
                more.append(_keyed(SERIES, key) | counted)
                continue
            first = members[0]
            counts[key[:2]] = counts.get(key[:2], 0) + 1
            new.append(
                dict(zip(("tenant", "study_instance_uid", "series_instance_uid"), key, strict=True))
                | counted
                | {
                    "modality": first.modality,
                    "series_number": first.attributes.series_number,
                    "series_description": first.attributes.series_description,
                }
            )
        self._write(SERIES, new, more, {"objects": SERIES.c.objects + bindparam("objects")})
        return counts

    def _add_studies(self, rows: Sequence[IndexRow], new_series: Mapping[Key, int]) -> None:
        groups = _grouped(rows, "tenant", "study_instance_uid")
        known = self._known(STUDIES, groups)
        new: list[Values] = []
        more: list[Values] = []
        for key, members in groups.items():
            modalities = {row.modality for row in members if row.modality}
            before = known.get(key)
            if before is not None:
                modalities.update(filter(None, before.modalities.split("\\")))
            counted = {
                "modalities": "\\".join(sorted(modalities)),
                "series": new_series.get(key, 0),
                "objects": len(members),
                "bytes": sum(row.length for row in members),
                "last_received": max(row.received for row in members),
            }
            if before is not None:
                more.append(_keyed(STUDIES, key) | counted)
                continue
            first = members[0]
            told = {name: getattr(first.attributes, name) for name in _OF_STUDY}
            own = {"tenant": key[0], "study_instance_uid": key[1], "hashed_id": first.hashed_id}
            new.append(own | told | counted | {"first_received": min(row.received for row in members)})
        sums = {name: STUDIES.c[name] + bindparam(name) for name in ("objects", "bytes", "series")}
        self._write(STUDIES, new, more, {**sums, "modalities": bindparam("modalities")})

    def _known(self, table: Table, keys: Iterable[Key]) -> dict[Key, Row[Any]]:
        """The rows of a table that have these primary keys; their first part is the tenant. Some others may come with them."""
        columns = list(table.primary_key.columns)
        by_tenant: dict[str, list[Key]] = {}
        for key in keys:
            by_tenant.setdefault(key[0], []).append(key)
        found: dict[Key, Row[Any]] = {}
        for tenant, named in by_tenant.items():
            for at in range(0, len(named), _AT_ONCE):
                page = zip(*named[at : at + _AT_ONCE], strict=True)
                among = [column.in_(set(values)) for column, values in zip(columns, page, strict=True)]
                for row in self._connection.execute(select(table).where(columns[0] == tenant, *among[1:])):
                    found[tuple(row[: len(columns)])] = row
        return found

    def _write(self, table: Table, new: list[Values], more: list[Values], sums: Mapping[str, Any]) -> None:
        if new:
            self._connection.execute(insert(table), new)
        if more:
            same = and_(*(column == bindparam(f"key_{column.name}") for column in table.primary_key.columns))
            change = update(table).where(same).values(last_received=bindparam("last_received"), **sums)
            self._connection.execute(change, more)


_OF_STUDY = ("study_date", "study_time", "accession_number", "study_id", "study_description", "patient_sex")


def object_of(row: Row[Any]) -> IndexRow:
    """A row of the table `objects`, whose columns stand in the order of IndexRow's fields."""
    values = list(row)
    told = dict(zip(_OF_INSTANCE, values[len(_OWN) :], strict=True))
    own = dict(zip(_OWN, values, strict=False))
    return IndexRow(**own, attributes=Attributes(**told))


def _values(row: IndexRow) -> Values:
    own = {name: getattr(row, name) for name in _OWN}
    return own | {name: getattr(row.attributes, name) for name in _OF_INSTANCE}


def _grouped(rows: Iterable[IndexRow], *by: str) -> dict[Key, list[IndexRow]]:
    groups: dict[Key, list[IndexRow]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, name) for name in by), []).append(row)
    return groups


def _is(table: Table, row: IndexRow, *names: str) -> list[ColumnElement[bool]]:
    return [table.c[name] == getattr(row, name) for name in ("tenant", *names)]


def _keyed(table: Table, key: Key) -> Values:
    names = (f"key_{column.name}" for column in table.primary_key.columns)
    return dict(zip(names, key, strict=True))
