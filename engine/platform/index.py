"""What the platform knows of its objects: one interface, kept in SQLite (WAL) here.

A transaction is durable when it ends (synchronous = FULL). Several processes may use one index; writers
take turns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Protocol

_BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One stored object. `digest` is BLAKE3 of the plaintext (32 bytes), `received` whole microseconds
    since 1970.
    """

    tenant: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    hashed_id: str
    digest: bytes
    length: int
    object_id: str
    wrapped_key: bytes
    master_key_id: str
    sender: str
    received: int


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One study in a listing. `bytes` counts the objects' plaintext; `last_received` as in IndexRow."""

    study_instance_uid: str
    hashed_id: str
    modalities: tuple[str, ...]
    objects: int
    bytes: int
    last_received: int


class Index(Protocol):
    """What a store of metadata can do. Every method is blocking: call it off the event loop."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Add rows inside; all are durable at the end, or none is there."""

    def find(self, tenant: str, sop_instance_uid: str) -> IndexRow | None:
        """The row of one object, or None."""

    def holds(self, object_id: str) -> bool:
        """Whether a row names this file."""

    def add(self, row: IndexRow) -> None:
        """Add or replace the row of (tenant, SOP Instance UID), inside a transaction."""

    def studies(
        self, tenant: str, hashed_id: str | None, study_instance_uid: str | None, limit: int, offset: int
    ) -> list[StudyRow]:
        """Studies of a tenant, the latest first."""

    def instances(self, tenant: str, study_instance_uid: str, limit: int, offset: int) -> list[IndexRow]:
        """Objects of one study, by Series and SOP Instance UID."""

    def close(self) -> None:
        """Give up what is held."""


_COLUMNS = tuple(field.name for field in fields(IndexRow))
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    tenant TEXT NOT NULL,
    sop_instance_uid TEXT NOT NULL,
    study_instance_uid TEXT NOT NULL,
    series_instance_uid TEXT NOT NULL,
    sop_class_uid TEXT NOT NULL,
    transfer_syntax_uid TEXT NOT NULL,
    modality TEXT NOT NULL,
    hashed_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    length INTEGER NOT NULL,
    object_id TEXT NOT NULL,
    wrapped_key BLOB NOT NULL,
    master_key_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    received INTEGER NOT NULL,
    PRIMARY KEY (tenant, sop_instance_uid)
);
CREATE INDEX IF NOT EXISTS objects_by_study ON objects (tenant, study_instance_uid);
CREATE INDEX IF NOT EXISTS objects_by_hashed_id ON objects (tenant, hashed_id, study_instance_uid);
CREATE UNIQUE INDEX IF NOT EXISTS objects_by_file ON objects (object_id);
"""
_FIND = f"SELECT {', '.join(_COLUMNS)} FROM objects WHERE tenant = ? AND sop_instance_uid = ?"  # noqa: S608
_ADD = f"INSERT OR REPLACE INTO objects ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_INSTANCES = (
    f"SELECT {', '.join(_COLUMNS)} FROM objects WHERE tenant = ? AND study_instance_uid = ?"  # noqa: S608
    " ORDER BY series_instance_uid, sop_instance_uid LIMIT ? OFFSET ?"
)
_STUDIES = (
    "SELECT study_instance_uid, min(hashed_id), group_concat(DISTINCT modality), count(*), sum(length),"
    " max(received) FROM objects WHERE {} GROUP BY study_instance_uid"
    " ORDER BY max(received) DESC, study_instance_uid LIMIT ? OFFSET ?"
)


class SQLiteIndex:
    """The index in one SQLite file. One thread at a time; make one per thread."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See Index."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def find(self, tenant: str, sop_instance_uid: str) -> IndexRow | None:
        """See Index."""
        row = self._connection.execute(_FIND, (tenant, sop_instance_uid)).fetchone()
        return None if row is None else IndexRow(*row)

    def holds(self, object_id: str) -> bool:
        """See Index."""
        found = self._connection.execute("SELECT 1 FROM objects WHERE object_id = ?", (object_id,))
        return found.fetchone() is not None

    def add(self, row: IndexRow) -> None:
        """See Index."""
        self._connection.execute(_ADD, astuple(row))

    def studies(
        self, tenant: str, hashed_id: str | None, study_instance_uid: str | None, limit: int, offset: int
    ) -> list[StudyRow]:
        """See Index."""
        wanted = {"tenant": tenant, "hashed_id": hashed_id, "study_instance_uid": study_instance_uid}
        given = {column: value for column, value in wanted.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in given)
        rows = self._connection.execute(_STUDIES.format(where), (*given.values(), limit, offset))
        return [
            StudyRow(study, hashed, tuple(sorted(filter(None, modalities.split(",")))), count, size, last)
            for study, hashed, modalities, count, size, last in rows
        ]

    def instances(self, tenant: str, study_instance_uid: str, limit: int, offset: int) -> list[IndexRow]:
        """See Index."""
        rows = self._connection.execute(_INSTANCES, (tenant, study_instance_uid, limit, offset))
        return [IndexRow(*row) for row in rows]

    def close(self) -> None:
        """See Index."""
        self._connection.close()
