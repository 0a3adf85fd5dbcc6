"""What the receipts will say, written down as the run goes: it outlives the run's death, as the journal does.

    OUT/.penstock/tallies     lines of JSON: [position, study, tally]       `study`: its new UID, null where none is known

`position` is the journal's size once the tags are in it that the line counts. A line is written before its tags, and whoever
takes the run up cuts both files to where they agree: an object is in both or in neither. Refusals are not in the journal; every
run finds them again, so only those of the last run count."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from engine.pseudonymize.receipt import Tally
from engine.spool.layout import write_whole

AT_ONCE = 10_000  # lines, and so about as many studies at the most, whose sums are held in memory
_BEGIN, _END = "begin", "end"


class Tallies:
    """The file, written by one process. Raises OSError as the file system does.

    `exact` is False when a run died: what it had written and not yet noted cannot be told from a double any more."""

    def __init__(self, path: Path, *, new: bool) -> None:
        """Opens or makes the file; `agree` must follow before anything is added. `new`: no run is taken up."""
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._new = new
        self._lines = 0
        self._begin = 0
        self.exact = new

    def agree(self, journal_size: int) -> int:
        """Drops lines of which the journal, `journal_size` bytes long, does not know; up to where the journal is to be kept."""
        size, position, self.exact = 0, 0, self._new
        with self._path.open("rb") as file:
            for line in file:
                row = _parse(line)
                if row is None or row[0] > journal_size:
                    self.exact = False
                    break
                size += len(line)
                position = row[0]
                self.exact = len(row) == 3 and row[1] == _END and bool(row[2])
                self._lines += 1
        os.ftruncate(self._fd, size)
        self._begin = size
        write_whole(self._fd, orjson.dumps([position, _BEGIN]) + b"\n")
        return position

    def add(self, position: int, tallies: Mapping[str | None, Tally]) -> None:
        """What a job did, before the journal grows to `position`."""
        rows = [[position, study, tally.plain()] for study, tally in tallies.items()] or [[position]]
        self._lines += len(rows)
        try:
            write_whole(self._fd, b"".join(orjson.dumps(row) + b"\n" for row in rows))
        except OSError:
            self.exact = False  # the outputs are there, and not counted
            raise

    def end(self, position: int) -> None:
        """The run ends, finished or not, and has noted all that it did."""
        write_whole(self._fd, orjson.dumps([position, _END, self.exact]) + b"\n")

    def sums(self) -> Iterator[dict[str | None, Tally]]:
        """The whole batch by studies, in portions that fit into memory: each study is in one of them."""
        portions = 1 + self._lines // AT_ONCE
        for portion in range(portions):
            found: dict[str | None, Tally] = {}
            for study, tally in self._rows():
                if zlib.crc32((study or "").encode()) % portions == portion:
                    found.setdefault(study, Tally()).merge(tally)
            yield found

    def close(self) -> None:
        os.close(self._fd)

    def _rows(self) -> Iterator[tuple[str | None, Tally]]:
        at = 0
        with self._path.open("rb") as file:
            for line in file:
                row = _parse(line)
                if row is not None and len(row) == 3 and row[1] != _END:
                    tally = Tally.of_plain(row[2])
                    if at < self._begin:
                        tally.quarantined.clear()
                    yield row[1], tally
                at += len(line)


def _parse(line: bytes) -> list[Any] | None:
    with contextlib.suppress(orjson.JSONDecodeError):
        row = orjson.loads(line)
        if line.endswith(b"\n") and isinstance(row, list) and row and isinstance(row[0], int):
            return row
    return None
