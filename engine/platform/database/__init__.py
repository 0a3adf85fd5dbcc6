"""The platform's metadata through SQLAlchemy Core: SQLite by default, PostgreSQL by URL; Alembic migrates."""

from __future__ import annotations

from engine.platform.database.connection import Database

__all__ = ["Database"]
