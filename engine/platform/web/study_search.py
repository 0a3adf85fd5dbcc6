"""Searching studies: the form's fields as a query, and pages of what was found."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, func, select

from engine.platform.database import Database
from engine.platform.database.objects import STUDIES

ON_A_PAGE = 50
_MOST_PAGES = 100_000
_HASHED_ID = re.compile(r"[0-9a-f]{32}")
_UID = re.compile(r"[0-9]+\.[0-9.]{1,62}")
_MODALITY = re.compile(r"[A-Z0-9_]{1,16}")
UNCLEAR = "Search for a whole hashed ID (32 digits and letters a to f) or a Study Instance UID."


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked. Each field is "" where it was left empty; `unclear` says what cannot be searched for."""

    identifier: str = ""
    modality: str = ""
    since: str = ""
    until: str = ""
    page: int = 1
    unclear: str = ""

    @classmethod
    def of(cls, query: dict[str, str]) -> Search:
        """From an address. A Patient ID is no hashed ID and no UID: it is not searched for, and not shown again."""
        identifier = query.get("q", "").strip().lower()
        if identifier and not (_HASHED_ID.fullmatch(identifier) or _UID.fullmatch(identifier)):
            return cls(unclear=UNCLEAR)
        modality = query.get("modality", "").strip().upper()
        if modality and not _MODALITY.fullmatch(modality):
            return cls(unclear="A modality is a code such as CT or MR.")
        since, until = query.get("since", ""), query.get("until", "")
        if any(day and _day(day) is None for day in (since, until)):
            return cls(unclear="A day is written like 2026-11-22.")
        number = query.get("page", "1")
        page = int(number) if number.isascii() and number.isdecimal() and len(number) < 7 else 1
        return cls(identifier, modality, since, until, max(1, min(page, _MOST_PAGES)))

    @property
    def narrowed(self) -> bool:
        """Whether it is a search, and not the list of all."""
        return any((self.identifier, self.modality, self.since, self.until))

    def conditions(self, tenant: str) -> list[ColumnElement[bool]]:
        """The query's conditions; every value is bound, none is a part of the statement's text."""
        found: list[ColumnElement[bool]] = [STUDIES.c.tenant == tenant]
        if _HASHED_ID.fullmatch(self.identifier):
            found.append(STUDIES.c.hashed_id == self.identifier)
        elif self.identifier:
            found.append(STUDIES.c.study_instance_uid.startswith(self.identifier, autoescape=True))
        if self.modality:
            found.append(
                ("\\" + STUDIES.c.modalities + "\\").contains(f"\\{self.modality}\\", autoescape=True)
            )
        if since := _day(self.since):
            found.append(STUDIES.c.last_received >= _microseconds(since))
        if until := _day(self.until):
            found.append(STUDIES.c.last_received < _microseconds(until + timedelta(days=1)))
        return found


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of the page."""

    study_instance_uid: str
    hashed_id: str
    modalities: tuple[str, ...]
    description: str
    series: int
    objects: int
    bytes: int
    last_received: int


@dataclass(frozen=True, slots=True)
class Result:
    """One page, and the sums over all pages."""

    studies: tuple[Listed, ...]
    total: int
    objects: int
    bytes: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // ON_A_PAGE))


def search(database: Database, tenant: str, wanted: Search) -> Result:
    """The studies of one institution that fit, the latest first."""
    where = wanted.conditions(tenant)
    columns = STUDIES.c
    sums = select(func.count(), func.sum(columns.objects), func.sum(columns.bytes)).where(*where)
    page = (
        select(
            columns.study_instance_uid,
            columns.hashed_id,
            columns.modalities,
            columns.study_description,
            columns.series,
            columns.objects,
            columns.bytes,
            columns.last_received,
        )
        .where(*where)
        .order_by(columns.last_received.desc(), columns.study_instance_uid.desc())
        .limit(ON_A_PAGE)
        .offset((wanted.page - 1) * ON_A_PAGE)
    )
    with database.read() as connection:
        total, objects, length = connection.execute(sums).one()
        rows = connection.execute(page).all()
    listed = tuple(Listed(row[0], row[1], tuple(filter(None, row[2].split("\\"))), *row[3:]) for row in rows)
    return Result(listed, int(total), int(objects or 0), int(length or 0))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None
    except ValueError:
        return None


def _microseconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000
