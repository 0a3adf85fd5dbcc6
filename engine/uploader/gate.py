"""Whether requests may go out. A failure that is not an object's own closes the gate for everybody.

open ──failure──▶ closed ──wait over──▶ trying: one request goes ──success──▶ open
                    ▲                                             └─failure──▶ closed, for longer
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

LONGEST_ASKED = 3600.0


class Gate:
    """One for all requests. Waits grow by the factor two from `first` to `most` seconds, each shortened by
    up to half at random, so that many gateways do not come back at one moment; a Retry-After is honoured
    as the least wait.
    """

    def __init__(self, first: float, most: float, jitter: Callable[[], float] = random.random) -> None:
        self._first, self._most, self._jitter = first, most, jitter
        self._failures = 0
        self._trying = False
        self._closed_until = 0.0
        self._changed = asyncio.Event()

    async def enter(self) -> bool:
        """Wait until a request may go. True if it is the one that tries whether the platform is back.

        Whoever entered says what came of it, if it says anything about the platform, and then `leave`s.
        """
        while True:
            if not self._failures:
                return False
            wait = self._closed_until - asyncio.get_running_loop().time()
            if wait > 0:
                await self._wait(wait)
            elif self._trying:
                await self._wait(None)
            else:
                self._trying = True
                return True

    def succeeded(self) -> None:
        """The platform answered as it should."""
        self._failures = 0
        self._tell()

    def failed(self, retry_after: float | None = None, *, trying: bool) -> float:
        """The platform did not answer as it should. Returns for how many seconds the gate is closed now.

        Requests that were under way together count as one failure; one that was `trying` counts by itself.
        """
        now = asyncio.get_running_loop().time()
        if trying or not self._failures:
            wait = min(self._most, self._first * 2.0 ** min(self._failures, 60)) * (1 - self._jitter() / 2)
            self._failures += 1
            self._closed_until = now + max(wait, min(retry_after or 0.0, LONGEST_ASKED))
        self._tell()
        return max(0.0, self._closed_until - now)

    def leave(self, *, trying: bool) -> None:
        """The request that entered is over, whatever came of it."""
        if trying:
            self._trying = False
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _wait(self, seconds: float | None) -> None:
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return
