"""How an object's bytes get to the disk before its name does, at the least cost.

The plain way is fdatasync, rename, fsync of the folder: on a journalling file system two commits of the journal, one after the
other. On ext4 with a journal one is enough, for a commit takes along all that was changed before it:

1. `sync_file_range` writes the data and waits until it is written. Only then does ext4 let go of the pages, after it has put the
   file's blocks and its size into the running transaction (fs/ext4: ext4_end_io_end, mpage_map_and_submit_extent).
2. The rename goes into the same transaction or a later one: no crash can show the name without the whole file.
3. The fsync of the folder commits that transaction, with a flush of the disk's own cache before the record that ends it. What is
   durable then is the name, the size, the blocks and the bytes.

Nothing of this is promised of other file systems, nor of ext4 without a journal: there it is fdatasync."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

WRITE = 2
WAIT_WRITE_WAIT = 7  # what is being written, what is not yet, and the end of both

SyncFileRange = Callable[[int, int, int, int], int]


class Writeback:
    """For the files that are named into `folder`. `in_order`: whether the journal keeps data before names there."""

    def __init__(self, folder: Path) -> None:
        self._call = _sync_file_range()
        self.in_order = self._call is not None and has_ext4_journal(folder)

    def begin(self, descriptor: int, at: int, count: int) -> None:
        """Begins the way to the disk of `count` bytes, without waiting. It promises nothing and fails silently:
        `finish` hears of every error."""
        if self._call is not None:
            self._call(descriptor, at, count, WRITE)

    def finish(self, descriptor: int) -> None:
        """Waits until the file is on the disk, or is sure to be there before any name that it gets from now on.

        Raises OSError; never call it again then (see `intake`)."""
        if not self.in_order or self._call is None:
            os.fdatasync(descriptor)
        elif self._call(descriptor, 0, 0, WAIT_WRITE_WAIT) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def has_ext4_journal(folder: Path, sys: Path = Path("/sys")) -> bool:
    """True if the folder lies on ext4 that has a journal, as far as /sys shows; False if it does not tell."""
    return ext4_journal(folder, sys) is True


def ext4_journal(folder: Path, sys: Path = Path("/sys")) -> bool | None:
    """Whether the ext4 on which the folder lies has a journal; None if it is no ext4, or /sys does not tell."""
    device = folder.stat().st_dev
    try:
        name = (sys / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}").resolve(strict=True).name
    except OSError:
        return None  # no block device: tmpfs, overlayfs, btrfs, NFS
    try:
        task = (sys / "fs" / "ext4" / name / "journal_task").read_text(encoding="ascii")
    except OSError:
        return None  # not ext4
    return task.strip().isdigit()  # the journal's kernel thread; an ext4 without one says "<none>" here


def _sync_file_range() -> SyncFileRange | None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if function is None:  # not every C library has it
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    function.restype = ctypes.c_int
    call: SyncFileRange = function
    return call
