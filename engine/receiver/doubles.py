"""One SOP Instance UID, two objects: what an association may not send (promise 4 of docs/custody.md).

The earlier object is looked for where it may be by now, and compared byte by byte: rare, so it may cost two
reads, while a digest of every object would cost each of them. An earlier object that is delivered and gone
is left to the coordinator and the platform."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from engine.errors import SpoolError
from engine.spool.layout import ORIGINAL, Spool

REMEMBERED = 16_384
CHUNK = 1 << 18


class Doubles:
    """The objects that an association stored, by SOP Instance UID; the last 16,384 of them (≈ 2 MB)."""

    def __init__(self) -> None:
        self._stored: dict[str, str] = {}

    def earlier(self, sop_instance: str) -> str | None:
        """The id of the object that came under this UID before."""
        return self._stored.get(sop_instance)

    def note(self, sop_instance: str, identifier: str) -> None:
        if sop_instance not in self._stored and len(self._stored) == REMEMBERED:
            del self._stored[next(iter(self._stored))]
        self._stored.setdefault(sop_instance, identifier)


def compare(spool: Spool, earlier: str, identifier: str) -> SpoolError | None:
    """An error if `identifier`, still in incoming/, is another object than `earlier`. None if it is the
    same, or nobody can tell.

    Reads both; raises OSError if the new one cannot be read."""
    with spool.part(identifier).open("rb") as new:
        old = _find(spool, earlier)
        if old is None:
            return None
        with old:
            if _same(new, old):
                return None
    return SpoolError("conflicting-double", "another object came under this SOP Instance UID")


def _find(spool: Spool, identifier: str) -> BinaryIO | None:
    """Two rounds, because it may move on between two looks."""
    for _ in range(2):
        for path in _places(spool, identifier):
            with contextlib.suppress(FileNotFoundError):  # then it is in the next place
                return path.open("rb")
    return None


def _places(spool: Spool, identifier: str) -> Iterator[Path]:
    yield spool.arrival(identifier)
    for entry in spool.passes.iterdir():
        yield spool.original(entry.name, identifier)
    yield spool.quarantine / (identifier + ORIGINAL)


def _same(new: BinaryIO, old: BinaryIO) -> bool:
    while True:
        a, b = new.read(CHUNK), old.read(CHUNK)
        if a != b:
            return False
        if not a:
            return True
