"""The institutions that the platform serves; the name of one is the tenant everywhere."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from engine.errors import ConfigError
from engine.platform.database import Database
from engine.platform.database.institutions import INSTITUTIONS

_NAME = re.compile(r"[a-z0-9-]{1,63}")
_LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class Institution:
    """`name` is the tenant, `title` what people call it, `created` microseconds since 1970."""

    name: str
    title: str
    created: int


class Institutions:
    """Every method blocks; any thread may call it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, title: str = "") -> Institution:
        """A new one. Raises ConfigError ("institution-name", "institution-title", "institution-exists")."""
        title = title or name
        if not _NAME.fullmatch(name):
            hint = 'such as "st-marys": lower-case letters, digits and hyphens, 1 to 63 of them'
            raise ConfigError("institution-name", "this cannot be the name of an institution", hint=hint)
        if len(title) > _LONGEST_TITLE or not title.isprintable():
            hint = f"printable text of at most {_LONGEST_TITLE} characters"
            raise ConfigError("institution-title", "this cannot be the title of an institution", hint=hint)
        made = Institution(name, title, time.time_ns() // 1000)
        try:
            with self._database.begin() as connection:
                connection.execute(
                    insert(INSTITUTIONS).values(name=made.name, title=made.title, created=made.created)
                )
        except IntegrityError as problem:
            raise ConfigError("institution-exists", f"there is an institution {name} already") from problem
        return made

    def find(self, name: str) -> Institution | None:
        """One of them, or None."""
        with self._database.read() as connection:
            row = connection.execute(select(INSTITUTIONS).where(INSTITUTIONS.c.name == name)).one_or_none()
        return None if row is None else Institution(*row)

    def all(self) -> list[Institution]:
        """All of them by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(INSTITUTIONS).order_by(INSTITUTIONS.c.name)).all()
        return [Institution(*row) for row in rows]
