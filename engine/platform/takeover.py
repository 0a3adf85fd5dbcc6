"""Takes over the index of the version before the database: STORAGE/index.sqlite, a single table."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

from engine.errors import ConfigError
from engine.platform.index import Index, IndexRow

_NAMES = tuple(one.name for one in fields(IndexRow) if one.name != "attributes")
_ROWS = 500


def take_over(root: Path, index: Index) -> int:
    """Copy the rows of a former index, if there is one, and set it aside as `index.sqlite.taken-over`.

    Returns how many objects were new. All of them are in the database before the file gets its other name, so after
    a crash between the two the copy is made again and finds nothing new. Raises ConfigError when the file cannot be read.
    """
    former = root / "index.sqlite"
    if not former.exists():
        return 0
    taken = 0
    try:
        with (
            closing(sqlite3.connect(f"file:{former}?mode=rw", uri=True)) as source,
            index.transaction() as writing,
        ):
            source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor = source.execute(f"SELECT {', '.join(_NAMES)} FROM objects")  # noqa: S608 - our own names
            while batch := cursor.fetchmany(_ROWS):
                rows = [IndexRow(*row) for row in batch]
                known = writing.find((row.tenant, row.sop_instance_uid) for row in rows)
                new = [row for row in rows if (row.tenant, row.sop_instance_uid) not in known]
                writing.add(new)
                taken += len(new)
    except sqlite3.Error as problem:
        raise ConfigError(
            "former-index",
            f"the former index {former} cannot be read: {type(problem).__name__}",
            hint="restore it from a backup; the platform does not start without what it says of stored objects",
        ) from problem
    former.rename(root / "index.sqlite.taken-over")
    return taken
