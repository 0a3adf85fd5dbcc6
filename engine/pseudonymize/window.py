"""Reads the beginning of an object into a buffer that is used again for the next one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from engine._native.reader import NeedMore, Refused
from engine.errors import Refusal

T = TypeVar("T")

HEAD_LIMIT = 64 << 20
"""Bytes of a head, the most that is held in memory; a larger one is refused."""

_FIRST_GUESS = 16 << 10
_KEEP = 1 << 20


class Window:
    """The first bytes of one object at a time; grows as far as a core asks, up to `HEAD_LIMIT`."""

    def __init__(self) -> None:
        self._buffer = bytearray(_KEEP)
        self._guess = _FIRST_GUESS
        self._fd = -1
        self._size = 0
        self.view = memoryview(b"")

    def open(self, fd: int, size: int) -> None:
        """Turns to the object behind the descriptor `fd`, `size` bytes long, and reads about as much as the last head took."""
        self._fd, self._size = fd, size
        self._release()  # an object that was refused may have left a large one
        self._read(min(size, self._guess))

    def run(self, core: Callable[[memoryview], T]) -> T:
        """Calls `core` with the bytes read so far, again with more of them as long as it asks.

        Raises Refusal with the core's code, byte offset and tag, or `head-too-large`.
        """
        while True:
            try:
                return core(self.view)
            except NeedMore as more:
                if len(self.view) >= self._size:
                    raise Refusal(
                        "truncated", "the object ends inside an element", offset=self._size
                    ) from None
                wanted = min(self._size, max(more.upto, 2 * len(self.view)))
                if min(more.upto, self._size) > HEAD_LIMIT:
                    raise Refusal(
                        "head-too-large",
                        "the head is larger than the limit",
                        offset=more.upto,
                        hint=f"{HEAD_LIMIT} bytes",
                    ) from None
                self._read(min(wanted, HEAD_LIMIT))
            except Refused as refused:
                raise Refusal(refused.code, refused.message, offset=refused.offset, tag=refused.tag) from None

    def settle(self, used: int) -> None:
        """Remembers how much the last head took, so that the next one is read at once; gives back a large buffer."""
        self._guess = max(_FIRST_GUESS, min(_KEEP, used + used // 4))
        self._release()

    def _release(self) -> None:
        self.view = memoryview(b"")
        if len(self._buffer) > _KEEP:
            self._buffer = bytearray(_KEEP)

    def _read(self, count: int) -> None:
        self.view = memoryview(b"")
        if count > len(self._buffer):
            self._buffer = bytearray(count)
        view = memoryview(self._buffer)
        done = 0
        while done < count:
            got = os.preadv(self._fd, [view[done:count]], done)
            if not got:
                raise Refusal("truncated", "the object became shorter while it was read", offset=done)
            done += got
        self.view = view[:count].toreadonly()
