"""How an object's bytes get to the disk before its name does, at the least cost.

The plain way is fdatasync, rename, fsync of the folder: on a journalling file system two commits of the journal, one after the
other. Where the file system keeps its changes in order one is enough, for a commit takes along all that was changed before it:

1. `sync_file_range` writes the data and waits until it is written. Only then are the pages let go, after the file's blocks and
   its size were put into the running transaction (ext4: ext4_end_io_end, mpage_map_and_submit_extent; XFS: xfs_end_ioend, which
   converts the extents and sets the size before iomap_finish_ioends).
2. The rename goes into the same transaction or a later one: no crash can show the name without the whole file.
3. The fsync of the folder commits that transaction, with a flush of the disk's own cache before the record that ends it
   (jbd2_journal_commit_transaction, xlog_cil_push_work). What is durable then is the name, the size, the blocks and the bytes.

Nothing of this is promised of other file systems, nor of ext4 without a journal, nor of XFS whose data lies on another device than
its names (`rtdev`): there it is fdatasync."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

SYS = Path("/sys")
MOUNTS = Path("/proc/self/mountinfo")
WRITE = 2
WAIT_WRITE_WAIT = 7  # what is being written, what is not yet, and the end of both

SyncFileRange = Callable[[int, int, int, int], int]


class Writeback:
    """For the files that are named into `folder`. `in_order`: whether the file system keeps data before names there."""

    def __init__(self, folder: Path) -> None:
        self._call = _sync_file_range()
        self.in_order = self._call is not None and keeps_order(folder)

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


def keeps_order(folder: Path, sys: Path = SYS, mounts: Path = MOUNTS) -> bool:
    """True if the folder lies on ext4 that has a journal or on XFS with all of it on one device, as far as the kernel tells."""
    return ext4_journal(folder, sys) is True or is_xfs(folder, mounts)


def is_xfs(folder: Path, mounts: Path = MOUNTS) -> bool:
    """True if the folder lies on XFS without a real-time device, by the list of mounts (proc(5), mountinfo)."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        mount, _, kind = line.partition(" - ")
        if mount.split()[2:3] == [number]:
            name, *_, options = kind.split()
            return name == "xfs" and not any(option.startswith("rtdev=") for option in options.split(","))
    return False


def ext4_journal(folder: Path, sys: Path = SYS) -> bool | None:
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
