"""Brings a database's tables to this version's form, in one transaction, by the migrations in this package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from engine.errors import ConfigError
from engine.platform.database.connection import Database, take_turns

MIGRATIONS = Path(__file__).with_name("migrations")


def upgrade(database: Database) -> None:
    """Every migration that is missing, or none of them. Raises ConfigError when the tables are of a later version."""
    with database.begin() as connection:
        take_turns(connection, "migrate")
        try:
            command.upgrade(configured(connection), "heads")
        except CommandError as problem:
            raise ConfigError(
                "database-newer",
                f"the platform's database is not one that this version knows: {problem}",
                hint="was it used by a later version of Penstock? Run that one, or restore a backup",
            ) from problem


def configured(connection: Connection) -> Config:
    """Alembic's configuration, with the transaction that it shall work in."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
