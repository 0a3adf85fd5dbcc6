"""One database, its connections, and what a transaction means on each of the two that we speak.

SQLite: write-ahead log, every commit synced (synchronous = FULL), writers take turns (BEGIN IMMEDIATE), foreign
keys on. PostgreSQL: READ COMMITTED; who must not run beside another writer calls `take_turns`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from engine.errors import ConfigError, SpoolError

BUSY_SECONDS = 30.0
_READS = "penstock_reads"
_SQLITE_FULL = 13
_POSTGRES_FULL = "53100"


class Database:
    """Connections to one database. Any thread may use it; a forked process opens one of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(**{_READS: True})

    @classmethod
    def open(cls, url: str, *, password_file: Path | None = None, migrate: bool = True) -> Database:
        """Connect, and bring the tables to this version's form when `migrate`.

        Raises ConfigError when the URL cannot be used, no database answers there, or its tables are newer.
        """
        database = cls(_engine(url, password_file))
        try:
            if migrate:
                from engine.platform.database.migrate import upgrade

                upgrade(database)
            else:
                with database.read():
                    pass
        except SQLAlchemyError as problem:
            database.close()
            raise ConfigError(
                "database-unusable",
                f"the platform's database cannot be used: {reason(problem)}",
                hint="look at platform.database; does the server run, and may this user create tables?",
            ) from None  # the cause would name the host and the user
        except BaseException:
            database.close()
            raise
        return database

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that writes: durable at its end, undone when the block raises."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; it waits for no writer."""
        with self._reading.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._engine.dispose()


def take_turns(connection: Connection, room: str) -> None:
    """Until the end of this transaction no other one is past the same call. SQLite's writers do so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtext(:room))"), {"room": f"penstock {room}"}
        )


def database_error(problem: SQLAlchemyError) -> SpoolError:
    """What a transaction that failed means to who sends objects: the same later may go well."""
    original = getattr(problem, "orig", None)
    full = (
        getattr(original, "sqlite_errorcode", 0) == _SQLITE_FULL
        or getattr(original, "sqlstate", "") == _POSTGRES_FULL
    )
    code = "storage-full" if full else "index-failed"
    return SpoolError(code, f"the platform's database failed: {reason(problem)}", retryable=True)


def reason(problem: SQLAlchemyError) -> str:
    """A failure in words that hold no value, no statement and no password."""
    if not isinstance(problem, DBAPIError) or problem.orig is None:
        return type(problem).__name__
    original = problem.orig
    state = getattr(original, "sqlstate", None)
    name = getattr(original, "sqlite_errorname", None) or (f"SQLSTATE {state}" if state else None)
    return f"{type(original).__name__}" + (f" ({name})" if name else "")


def _engine(url: str, password_file: Path | None) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise ConfigError(
            "database-url",
            "platform.database is not the URL of a database",
            hint="write postgresql+psycopg://USER@HOST/NAME, or leave it out for SQLite in the storage folder",
        )
    if parsed.password is not None:
        raise ConfigError(
            "database-password",
            "platform.database holds a password",
            hint="put it into a file of mode 0600 and name that in platform.database_password_file",
        )
    if parsed.drivername == "sqlite":
        return _sqlite(parsed)
    if password_file is not None:
        parsed = parsed.set(password=_password(password_file))
    return create_engine(parsed, isolation_level="READ COMMITTED", pool_pre_ping=True, hide_parameters=True)


def _password(path: Path) -> str:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(
                "database-password",
                f"the database's password in {path} can be read by others",
                hint=f"chmod 600 {path}",
            )
        return path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(
            "database-password", f"cannot read the database's password from {path}"
        ) from problem


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, hide_parameters=True
    )

    def connected(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # the module's own idea of when a transaction begins is off
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            raw.execute(f"PRAGMA {pragma}")

    def begins(connection: Connection) -> None:
        reads = connection.get_execution_options().get(_READS, False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begins)
    return engine
