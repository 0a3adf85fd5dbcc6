"""Whether files have changed since they were read: certificates are renewed under a running gateway."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

Mark = tuple[int, int, int]


class Freshness:
    """The files of one destination. `changed` is cheap enough for every request."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = tuple(files)
        self._marks = self._look()

    def changed(self) -> bool:
        """True once after each change, of the content or by a rename."""
        before, self._marks = self._marks, self._look()
        return before != self._marks

    def _look(self) -> list[Mark | None]:
        return [_mark(path) for path in self._files]


def _mark(path: Path) -> Mark | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size
