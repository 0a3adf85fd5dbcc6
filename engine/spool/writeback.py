"""Asks the kernel to begin writing, without waiting: what is on its way to the disk already need not be
waited for at the end."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

SYNC_FILE_RANGE_WRITE = 2


def starter() -> Callable[[int, int, int], None]:
    """A function of (descriptor, offset, bytes) that begins their way to the disk. It promises nothing and
    fails silently: whoever needs the bytes to be there calls fdatasync, and hears of every error from that.
    """
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is None:  # not every C library has it
        return lambda _descriptor, _offset, _count: None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    function.restype = ctypes.c_int

    def start(descriptor: int, offset: int, count: int) -> None:
        function(descriptor, offset, count, SYNC_FILE_RANGE_WRITE)

    return start
