"""OUT/quarantine.json: every file that was not rewritten, by name, and why.

Names of files may name patients. So this report is for the operator of the run alone: mode 0600, and none of
it is ever logged. It is written as the run goes, to a part that takes its name in one rename at the end, so a
run that refuses a million files holds none of them in memory, and a reader never sees half a report."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from engine.batch.worker import RefusedFile
from engine.syncing import sync_folder

NAME = "quarantine.json"
ROOM = 64 << 10  # bytes set aside for the report, since a disk that is full is one of the things to report


class Quarantine:
    """The report of one run; `refuse` and `notice` while it lasts, `finish` at its end. OSError when the disk
    fails; what could not be written then is tried again with the next entry, and at the end."""

    def __init__(self, out: Path, part: Path) -> None:
        self._path = out / NAME
        self._part = part
        self._notices: list[bytes] = []
        self._pending = bytearray()
        self._empty = True
        self._file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.posix_fallocate(self._file, 0, ROOM)
        self._write(b'{"refused":[')

    def refuse(self, refused: RefusedFile) -> None:
        """An input that has no output."""
        comma = b"\n" if self._empty else b",\n"
        self._empty = False
        entry = _entry(refused.name, refused.code, refused.reason, refused.hint, refused.tag, refused.offset)
        self._write(comma + entry)

    def notice(self, name: bytes, code: str, reason: str) -> None:
        """Something worth knowing behind which no object was lost."""
        self._notices.append(_entry(name, code, reason, "", None, None))

    def finish(self, *, finished: bool) -> None:
        """Gives the report its name, durably. `finished` is false when the run stopped before its end: then
        files that were not reached are in no list."""
        notices = b"".join(b"\n" + entry for entry in _joined(self._notices))
        self._write(b'],\n"notices":[' + notices + b'],\n"finished":' + orjson.dumps(finished) + b"}\n")
        os.ftruncate(self._file, os.lseek(self._file, 0, os.SEEK_CUR))
        os.fsync(self._file)
        self._part.rename(self._path)
        sync_folder(self._path.parent)

    def close(self) -> None:
        os.close(self._file)

    def _write(self, data: bytes) -> None:
        self._pending += data
        while self._pending:
            del self._pending[: os.write(self._file, self._pending)]


def _joined(entries: list[bytes]) -> list[bytes]:
    return [entry + b"," for entry in entries[:-1]] + entries[-1:]


def _entry(name: bytes, code: str, reason: str, hint: str, tag: int | None, offset: int | None) -> bytes:
    return orjson.dumps(
        {
            # Names need not be UTF-8; bytes that are not are shown as \xNN.
            "path": name.decode("utf-8", "backslashreplace"),
            "code": code,
            "reason": reason,
            "hint": hint,
            "tag": None if tag is None else f"({tag >> 16:04X},{tag & 0xFFFF:04X})",
            "offset": offset,
        }
    )
