"""What lies before the passes: parts that were never acknowledged, objects that wait for a pass, and names that are not ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.doctor.finding import Finding, Kind, Level, Tally
from engine.spool import associations
from engine.spool.layout import OBJECT_ID, ORIGINAL, PART, PASS_ID, Spool, association_of

_COMING = Kind(
    Level.NOTE, "parts-coming", "objects are being received", "acknowledge them when they are whole"
)
_STALE = Kind(
    Level.NOTE,
    "parts-stale",
    "objects that were never acknowledged: a receiver ended in the middle of them",
    "delete them at its next start; their sender was never told that they are stored",
)
_WAITING = Kind(
    Level.NOTE,
    "received-waiting",
    "acknowledged objects wait for their pass",
    "put each into the pass of its study",
)
_EMPTY = Kind(
    Level.WARNING,
    "received-empty",
    "acknowledged objects have no content: the disk lost it",
    "put them into the quarantine, since they cannot be read",
    "ask the senders for these studies again, and examine the disk: acknowledged objects were synced",
)
_FOREIGN = Kind(
    Level.WARNING,
    "foreign-names",
    "files that Penstock did not make lie in the spool",
    "leave them alone, and not count them",
    "move them elsewhere",
)


def arrivals(spool: Spool, *, running: bool) -> list[Finding]:
    """Findings in incoming/ and received/."""
    tally = Tally()
    open_now = associations.scan(spool)[0] if running else set()
    for path, identifier in _named(spool.incoming, PART, tally):
        tally.add(_COMING if association_of(identifier) in open_now else _STALE, str(path))
    for path, _ in _named(spool.received, ORIGINAL, tally):
        tally.add(_EMPTY if _size(path) == 0 else _WAITING, str(path))
    for path in sorted(spool.passes.iterdir()):
        if not PASS_ID.fullmatch(path.name) and not path.name.startswith("."):
            tally.add(_FOREIGN, str(path))
    return tally.findings()


def _named(folder: Path, suffix: str, tally: Tally) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.iterdir()):
        identifier = path.name.removesuffix(suffix)
        if path.name.endswith(suffix) and OBJECT_ID.fullmatch(identifier):
            yield path, identifier
        else:
            tally.add(_FOREIGN, str(path))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1  # moved on meanwhile
