"""One page of memory for secrets: locked, so that it is never swapped to disk; left out of core dumps; wiped at the end.

What passes through it on the way (the TLS library's buffers, the processes that are given the secret) is not ours to
lock; those processes leave no core dumps, and nobody else may read their memory.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence

SIZE = mmap.PAGESIZE
KEY_BYTES = 32


class SecretPage:
    """Holds some keys of 32 bytes. `locked` is False where the system does not let us lock memory."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._page.madvise(mmap.MADV_DONTDUMP)
        self._page.madvise(mmap.MADV_DONTFORK)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        libc = ctypes.CDLL(None, use_errno=True)
        self.locked = libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(SIZE)) == 0
        self.key_ids: tuple[str, ...] = ()

    def fill(self, keys: bytearray, key_ids: Sequence[str]) -> None:
        """Take the first `len(key_ids)` keys over; `keys` is wiped. ValueError if there are not so many."""
        size = len(key_ids) * KEY_BYTES
        if not 0 < size <= min(len(keys), SIZE):
            raise ValueError("as many keys as key ids, and no more than a page holds")
        self._page[:size] = memoryview(keys)[:size]
        self._page[size:] = bytes(SIZE - size)
        self.key_ids = tuple(key_ids)
        wipe(keys)

    @property
    def filled(self) -> bool:
        return bool(self.key_ids)

    def view(self) -> memoryview:
        """The keys, one after the other, without a copy. Release it before `wipe`."""
        return memoryview(self._page)[: len(self.key_ids) * KEY_BYTES]

    def wipe(self) -> None:
        """Nothing is left of the keys."""
        self._page[:] = bytes(SIZE)
        self.key_ids = ()


def wipe(keys: bytearray) -> None:
    """Overwrite with zeros."""
    keys[:] = bytes(len(keys))
