"""What the gateway asks of the C library's malloc, for each of its processes."""

from __future__ import annotations

import ctypes
from typing import Final

M_ARENA_MAX: Final = -8
MOST_ARENAS: Final = 2


def share_arenas(most: int = MOST_ARENAS) -> None:
    """The threads of this process share `most` arenas (mallopt(3)). Call before there are threads.

    By default each new thread gets an arena of its own, up to eight for each core, and what was freed in one of them serves no
    other: as threads come and go a process grows for days. Python's small objects are not in them, and its lock keeps
    threads from waiting for one another here. Without glibc there are no arenas, and nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, most)
