"""The fixture `database`: an empty one with every table, in SQLite and in PostgreSQL.

Use it by `pytest_plugins = ("tests.support.databases",)`; each test that takes it runs on both.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.platform.database import Database
from tests.support.postgres import PostgreSQL, binaries

KINDS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    """A PostgreSQL server of this test run's own."""
    if binaries() is None:
        pytest.skip("PostgreSQL is not installed (scripts/system-packages test)")
    server = PostgreSQL()
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'platform.sqlite'}"
        return
    server: PostgreSQL = request.getfixturevalue("postgres")
    name = f"test_{secrets.token_hex(8)}"
    server.create(name)
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with every table."""
    opened = Database.open(database_url)
    yield opened
    opened.close()
