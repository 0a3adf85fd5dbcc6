"""Threads of one destination. Each has its own: one that hangs must not hold up the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """At most `most` calls at a time."""

    def __init__(self, name: str, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)

    async def call(self, work: Callable[[], T], cut: Callable[[], None]) -> T:
        """What `work` gives or raises, from a thread. Cancelled, it calls `cut`, which makes `work` end soon, and waits for
        that: the thread uses what its caller will close.
        """
        running = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            cut()
            await asyncio.wait([running])
            if not running.cancelled():
                running.exception()  # seen: nobody is left to tell
            raise

    def close(self) -> None:
        """Let the threads end when what they do is done."""
        self._pool.shutdown(wait=False, cancel_futures=True)
