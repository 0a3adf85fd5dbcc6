"""What the gateway asks of the C library's malloc, for each of its processes. Without glibc nothing is done."""

from __future__ import annotations

import ctypes
import time
from typing import Final

M_ARENA_MAX: Final = -8
MOST_ARENAS: Final = 2
EVERY: Final = 60.0  # seconds


def share_arenas(most: int = MOST_ARENAS) -> None:
    """The threads of this process share `most` arenas (mallopt(3)). Call before there are threads.

    By default each new thread gets an arena of its own, up to eight for each core, and what was freed in one of them serves no
    other: as threads come and go a process grows for days. Python's small objects are not in them, and its lock keeps
    threads from waiting for one another here.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, most)


class Tidying:
    """Gives memory that was freed back to the kernel now and then (malloc_trim(3)).

    malloc itself returns only what lies at the top of its heap, and learns from each large block to keep more of them: a process
    stays as large as it ever was for a moment, when a folder of many thousand names was listed say, and over weeks such moments add
    up. A call takes some milliseconds.
    """

    def __init__(self, every: float = EVERY) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._every = every
        self._due = time.monotonic() + every

    def look(self) -> None:
        """Call it often: it does something every `every` seconds."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + self._every
            if self._trim is not None:
                self._trim(0)
