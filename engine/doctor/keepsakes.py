"""What is kept: the quarantine with its reasons, and the ledger."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import orjson

from engine.doctor.finding import Finding, Kind, Level, Tally
from engine.spool.layout import ORIGINAL, Spool
from engine.spool.ledger import STEPS

_HELD = Kind(
    Level.WARNING,
    "quarantine",
    "objects are in the quarantine",
    "never touch them: the quarantine is a person's",
    "read the reasons beside them (penstock status counts them), and send corrected objects again or delete both files",
)
_NO_REASON = Kind(
    Level.WARNING,
    "quarantine-without-reason",
    "quarantined objects have no readable reason",
    "never touch them",
    "the ledger has the reason code (penstock where); examine the disk",
)
_NO_OBJECT = Kind(
    Level.NOTE,
    "reason-without-object",
    "reasons of objects that never came into the quarantine: steps cut short",
    "remove them at its next start",
)
_LEDGER = (
    "nothing is decided from it, so the gateway goes on: `penstock where` and receipts lack what was in it",
    "stop the gateway and move ledger.sqlite* elsewhere; it makes a new one",
)


def quarantine(spool: Spool) -> list[Finding]:
    """Findings in quarantine/."""
    tally = Tally()
    for path in sorted(spool.quarantine.iterdir()):
        document = path.with_suffix(".json")
        if path.suffix == ORIGINAL:
            tally.add(_HELD, str(path))
            try:
                well = "code" in orjson.loads(document.read_bytes())
            except (FileNotFoundError, orjson.JSONDecodeError, TypeError):
                well = False
            if not well:
                tally.add(_NO_REASON, str(path))
        elif path.suffix in {".json", ".tmp"} and not path.with_suffix(ORIGINAL).exists():
            tally.add(_NO_OBJECT, str(path))
    return tally.findings()


def ledger(spool: Spool, *, running: bool) -> list[Finding]:
    """Whether SQLite finds the ledger whole. It is only read; that of a running gateway may be written meanwhile."""
    path = spool.ledger
    if not path.exists():
        if running:
            return [
                Finding(
                    Level.WARNING,
                    "ledger-missing",
                    "a running gateway has no ledger",
                    *_LEDGER,
                    where=str(path),
                )
            ]
        return [
            Finding(
                Level.NOTE,
                "ledger-new",
                "there is no ledger yet",
                "make it at its first start",
                where=str(path),
            )
        ]
    try:
        with (
            _readable(path, running=running) as address,
            closing(sqlite3.connect(address, uri=True, timeout=10)) as connection,
        ):
            told = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
            columns = {str(row[1]) for row in connection.execute("PRAGMA table_info(object)")}
    except sqlite3.DatabaseError as error:
        return [
            Finding(
                Level.WARNING,
                "ledger-damaged",
                f"the ledger cannot be read: {error}",
                *_LEDGER,
                where=str(path),
            )
        ]
    if told != ["ok"]:
        return [
            Finding(
                Level.WARNING,
                "ledger-damaged",
                f"the ledger is damaged: {told[0]}",
                *_LEDGER,
                where=str(path),
            )
        ]
    if not set(STEPS) <= columns:
        return [
            Finding(
                Level.WARNING,
                "ledger-foreign",
                "the ledger is not one of Penstock's",
                *_LEDGER,
                where=str(path),
            )
        ]
    return []


@contextmanager
def _readable(path: Path, *, running: bool) -> Iterator[str]:
    """The ledger's address. What a dead gateway left in the log (-wal) only a writer can fold in, so that happens to a copy."""
    log = path.with_name(path.name + "-wal")
    if running or not log.exists():
        yield f"file:{quote(str(path))}?mode=ro" + ("" if running else "&immutable=1")
        return
    with tempfile.TemporaryDirectory(prefix="penstock-doctor-") as folder:
        for one in (path, log):
            shutil.copyfile(one, Path(folder) / one.name)
        yield f"file:{quote(str(Path(folder) / path.name))}"
