"""The fixture `people`, on SQLite and PostgreSQL.

Use it by `pytest_plugins = ("tests.support.databases", "tests.support.people_fixtures")`.
"""

from __future__ import annotations

import pytest

from engine.platform.database import Database
from tests.support.people import People


@pytest.fixture
def people(database: Database) -> People:
    """Two institutions without accounts."""
    return People(database)
