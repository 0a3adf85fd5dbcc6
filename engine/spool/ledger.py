"""The ledger: what became of every object. One row an object, one column of time a step; SQLite in WAL mode.

It holds no identity: ids made here, new UIDs, the hashed ID, sizes, digests, reason codes. Nothing is ever
decided from it, so a ledger that cannot be written (a full disk) stops nobody: rows wait in memory, up to
`WAITING`, and are written later. A commit survives the death of the process; a power cut may take the last
seconds."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from engine.errors import SpoolError

STEPS: Final = ("received", "rewritten", "uploaded", "receipted", "deleted", "quarantined")
FACTS: Final = (
    "pass_id", "hashed_id", "study", "series", "sop", "sop_class",
    "bytes_received", "bytes_sent", "digest", "reason", "receipt", "destination",
)  # fmt: skip
LATER: Final = ("receipt", "destination")  # columns that ledgers of former versions lack
WAITING: Final = 100_000
_AT_ONCE: Final = 500  # values in one statement; SQLite takes 999 at the least

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS object (
  id TEXT PRIMARY KEY,
  pass_id TEXT, hashed_id TEXT, study TEXT, series TEXT, sop TEXT, sop_class TEXT,
  bytes_received INTEGER, bytes_sent INTEGER, digest TEXT, reason TEXT, receipt TEXT, destination TEXT,
  {", ".join(f"{step} REAL" for step in STEPS)}
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_hashed_id ON object (hashed_id);
CREATE INDEX IF NOT EXISTS by_study ON object (study);
CREATE INDEX IF NOT EXISTS by_sop ON object (sop);
CREATE INDEX IF NOT EXISTS by_pass ON object (pass_id);
CREATE INDEX IF NOT EXISTS half_released ON object (id) WHERE receipted IS NOT NULL AND deleted IS NULL;
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What the ledger knows of one object: times in seconds since 1970 (UTC), sizes in bytes, None where not
    known. `receipt` is of which kind its receipt was, `destination` where it went.
    """

    id: str
    pass_id: str | None
    hashed_id: str | None
    study: str | None
    series: str | None
    sop: str | None
    sop_class: str | None
    bytes_received: int | None
    bytes_sent: int | None
    digest: str | None
    reason: str | None
    receipt: str | None
    destination: str | None
    received: float | None
    rewritten: float | None
    uploaded: float | None
    receipted: float | None
    deleted: float | None
    quarantined: float | None

    def described(self) -> dict[str, object]:
        return {name: value for name, value in asdict(self).items() if value is not None}


class Ledger:
    """One process's door to the ledger; several may write. `note` only remembers, `flush` writes."""

    def __init__(self, path: Path, connection: sqlite3.Connection | None) -> None:
        self._path = path
        self._connection = connection  # None while the disk does not even let it be opened for writing
        self._waiting: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._statements: dict[tuple[str, ...], str] = {}
        self.dropped = 0

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Ledger:
        """The ledger at `path`, made if need be. On a full disk it opens later, by itself.

        SpoolError when it is no ledger, or is to be read and cannot be.
        """
        if read_only and not path.exists():
            raise SpoolError(
                "no-ledger", f"there is no ledger at {path}", hint="has this gateway ever been started?"
            )
        try:
            return cls(path, _connect(path, read_only=read_only))
        except sqlite3.OperationalError as error:
            if read_only:
                raise _unusable(path, error) from error
            return cls(path, None)
        except sqlite3.DatabaseError as error:
            raise _unusable(path, error) from error

    def note(self, step: str, identifier: str, at: float | None = None, **facts: object) -> None:
        """Remembers that an object took a step at `at` (now, if None). A step keeps the first time it was
        taken.
        """
        if step not in STEPS or not facts.keys() <= set(FACTS):
            raise ValueError(f"the ledger has no column for {step} or one of {sorted(facts)}")
        names = ("id", step, *facts)
        values = (identifier, time.time() if at is None else at, *facts.values())
        self._waiting.append((self._statement(names, step), values))
        if len(self._waiting) > WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def flush(self) -> bool:
        """Writes what was noted in one transaction; False if it could not be written now and goes on
        waiting.
        """
        if not self._waiting:
            return True
        try:
            if self._connection is None:
                self._connection = _connect(self._path, read_only=False)
            self._write(self._connection)
        except sqlite3.OperationalError:
            return False
        self._waiting.clear()
        return True

    def _write(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in self._waiting:
                connection.execute(statement, values)
            connection.execute("COMMIT")
        except sqlite3.OperationalError:
            if connection.in_transaction:  # some errors have rolled back already
                connection.execute("ROLLBACK")
            raise

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def _statement(self, names: tuple[str, ...], step: str) -> str:
        known = self._statements.get(names)
        if known is None:
            updates = [f"{name}=excluded.{name}" for name in names[1:] if name != step]
            updates.append(f"{step}=coalesce(object.{step}, excluded.{step})")
            known = (
                f"INSERT INTO object ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "  # noqa: S608
                f"ON CONFLICT (id) DO UPDATE SET {', '.join(updates)}"
            )  # the names are our own columns, checked in `note`
            self._statements[names] = known
        return known

    def find(self, word: str, limit: int = 10_000) -> list[Row]:
        """The objects whose hashed ID, new Study Instance UID, new SOP Instance UID, pass or id is `word`,
        oldest first.
        """
        return self._rows(
            "WHERE id = ?1 OR hashed_id = ?1 OR study = ?1 OR sop = ?1 OR pass_id = ?1 "
            "ORDER BY received LIMIT ?2",
            (word, limit),
        )

    def half_released(self) -> list[Row]:
        """Objects with a receipt that were not noted as deleted: a release that was cut short, or is under
        way.
        """
        return self._rows("WHERE receipted IS NOT NULL AND deleted IS NULL", ())

    def rewritten_in(self, pass_id: str) -> set[str]:
        """The objects of a pass that are noted as rewritten."""
        statement = "SELECT id FROM object WHERE pass_id = ? AND rewritten IS NOT NULL"
        return {row[0] for row in self._read(statement, (pass_id,))}

    def not_rewritten(self, identifiers: Iterable[str]) -> set[str]:
        """Those of the objects that are not noted as rewritten."""
        asked = tuple(identifiers)
        found: set[str] = set()
        for at in range(0, len(asked), _AT_ONCE):
            some = asked[at : at + _AT_ONCE]
            statement = (
                f"SELECT id FROM object WHERE rewritten IS NOT NULL AND id IN ({', '.join('?' * len(some))})"  # noqa: S608
            )
            found |= {row[0] for row in self._read(statement, some)}
        return set(asked) - found

    def totals(self) -> dict[str, int]:
        """How many objects have taken each step, ever."""
        columns = ", ".join(f"count({step})" for step in STEPS)
        counts = self._read(f"SELECT {columns} FROM object", ())[0]  # noqa: S608 - our own columns
        return dict(zip(STEPS, counts, strict=True))

    def receipts(self) -> dict[str, dict[str, int]]:
        """How many receipts of each kind each destination has given, ever; those of former versions under ""."""
        if self._connection is not None and LATER[0] not in _columns(self._connection):
            return {}
        found: dict[str, dict[str, int]] = {}
        for destination, kind, count in self._read(
            "SELECT coalesce(destination, ''), coalesce(receipt, ''), count(*) FROM object "
            "WHERE receipted IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
            (),
        ):
            found.setdefault(destination, {})[kind] = count
        return found

    def _rows(self, condition: str, values: Iterable[object]) -> list[Row]:
        held = _columns(self._connection) if self._connection is not None else set()
        columns = ", ".join(name if name in held else "NULL" for name in ("id", *FACTS, *STEPS))
        found = self._read(f"SELECT {columns} FROM object {condition}", values)  # noqa: S608 - as above
        return [Row(*row) for row in found]

    def _read(self, statement: str, values: Iterable[object]) -> list[tuple[Any, ...]]:
        if self._connection is None:
            raise SpoolError(
                "ledger-unusable", f"the ledger {self._path} cannot be opened now", retryable=True
            )
        try:
            return self._connection.execute(statement, tuple(values)).fetchall()
        except sqlite3.OperationalError as error:
            raise SpoolError(
                "ledger-unusable", f"the ledger {self._path} cannot be read now", retryable=True
            ) from error

    def close(self) -> None:
        """Writes what waits, if that can be, and closes."""
        self.flush()
        if self._connection is not None:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=5.0, isolation_level=None
    )
    try:
        if not read_only:
            path.chmod(0o600)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA cache_size=-4096")
            connection.executescript(SCHEMA)
            _add_columns(connection)
        connection.execute("SELECT count(*) FROM (SELECT 1 FROM object LIMIT 1)")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _add_columns(connection: sqlite3.Connection) -> None:
    """Brings a ledger of a former version up to date; several processes may try at a time."""
    if LATER[-1] in _columns(connection):
        return
    connection.execute("BEGIN IMMEDIATE")
    for name in LATER:
        if name not in _columns(connection):
            connection.execute(f"ALTER TABLE object ADD COLUMN {name} TEXT")
    connection.execute("COMMIT")


def _columns(connection: sqlite3.Connection) -> set[str]:
    return {row[1] for row in connection.execute("PRAGMA table_info(object)")}


def _unusable(path: Path, error: sqlite3.Error) -> SpoolError:
    return SpoolError(
        "ledger-unusable",
        f"the ledger {path} cannot be used: {error}",
        hint="move it away to begin a new one; nothing is decided from it",
    )
