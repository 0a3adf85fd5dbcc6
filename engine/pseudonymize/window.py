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

_FIRST_GUESS = 8 << 10
_PAGE = 4 << 10
_KEEP = 1 << 20
_SPARE = 256


class Window:
    """The first bytes of one object at a time; grows as far as a core asks, up to `HEAD_LIMIT`."""

    def __init__(self) -> None:
        self._buffer = bytearray(_KEEP)
        # Of the buffer, as much as was read last: most heads of a series are as long. `view` shows the same, to be read only.
        self._last = memoryview(b"")
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

    def piece(self, offset: int, count: int) -> bytes:
        """`count` bytes of the object, read unless they are here."""
        if offset + count <= len(self.view):
            return bytes(self.view[offset : offset + count])
        return os.pread(self._fd, count, offset)

    def settle(self, used: int) -> None:
        """Remembers how much the last head took, so that the next one is read at once; gives back a large buffer.

        What is read in vain costs less than reading twice, so the guess is whole pages, rises at once and falls slowly.
        """
        needed = min(_KEEP, (used + _SPARE + _PAGE - 1) & -_PAGE)
        if needed > self._guess:
            self._guess = needed
        elif needed < self._guess:
            self._guess = max(needed, self._guess - max(_PAGE, self._guess >> 4 & -_PAGE))
        self._release()

    def _release(self) -> None:
        if len(self._buffer) > _KEEP:
            self.view = self._last = memoryview(b"")
            self._buffer = bytearray(_KEEP)

    def _read(self, count: int) -> None:
        if count > len(self._buffer):
            self.view = self._last = memoryview(b"")
            self._buffer = bytearray(count)
        view = self._last
        if len(view) != count:
            view = self._last = memoryview(self._buffer)[:count]
            self.view = view.toreadonly()
        done = os.preadv(self._fd, (view,), 0) if count else 0  # nothing is asked of what may be a pipe
        while done < count:
            got = os.preadv(self._fd, (view[done:],), done)
            if not got:
                raise Refusal("truncated", "the object became shorter while it was read", offset=done)
            done += got
