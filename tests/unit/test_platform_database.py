"""Migrations make what the tables say, on both databases; what cannot be a database is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from engine.errors import ConfigError
from engine.platform.database import Database
from engine.platform.database.connection import take_turns
from engine.platform.database.migrate import MIGRATIONS
from engine.platform.database.schema import METADATA

pytest_plugins = ("tests.support.databases",)


def test_the_migrated_schema_is_what_the_tables_say(database: Database) -> None:
    with database.begin() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, METADATA) == []
        assert set(inspect(connection).get_table_names()) == {*METADATA.tables, "alembic_version"}


def test_the_migrations_are_one_line() -> None:
    assert len(ScriptDirectory(str(MIGRATIONS)).get_heads()) == 1


def test_a_second_start_changes_nothing(database_url: str) -> None:
    for _ in range(2):
        Database.open(database_url).close()


def test_a_database_of_a_later_version_is_left_alone(database_url: str) -> None:
    opened = Database.open(database_url)
    with opened.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('9999_tomorrow')"))
    opened.close()
    with pytest.raises(ConfigError, match="later version"):
        Database.open(database_url)


def test_a_migration_that_fails_leaves_nothing(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic.operations import Operations

    def fails(*_: object, **__: object) -> None:
        raise ValueError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(Operations, "create_index", fails, raising=False)
        patch.setattr("alembic.op.create_index", fails)
        with pytest.raises(ValueError, match="stopped"):
            Database.open(database_url)
    bare = Database.open(database_url, migrate=False)
    with bare.read() as connection:
        assert inspect(connection).get_table_names() == []
    bare.close()
    Database.open(database_url).close()


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    count = text("SELECT count(*) FROM institutions")
    with database.begin() as writing:
        take_turns(writing, "objects")
        writing.execute(text("INSERT INTO institutions VALUES ('a', 'a', 1)"))
        with database.read() as reading:
            assert reading.scalar(count) == 0
    with database.read() as reading:
        assert reading.scalar(count) == 1


def test_foreign_keys_are_kept(database: Database) -> None:
    from sqlalchemy.exc import IntegrityError

    statement = "INSERT INTO vault_secrets VALUES ('nobody', 1, 'k', 'x', 'x', 'm', 1, true)"
    with pytest.raises(IntegrityError), database.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "not the URL"),
        ("mysql://user@host/name", "not the URL"),
        ("postgresql+psycopg://user:hunter2@host/name", "holds a password"),
        ("postgresql+psycopg://user@/name?host=/nowhere", "cannot be used"),
        ("sqlite:////nowhere/at/all/platform.sqlite", "cannot be used"),
    ],
)
def test_what_cannot_be_used_is_said_without_the_password(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        Database.open(url)
    assert "hunter2" not in str(caught.value)


def test_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others") as caught:
        Database.open("postgresql+psycopg://user@/name?host=/nowhere", password_file=file)
    assert "hunter2" not in str(caught.value)
