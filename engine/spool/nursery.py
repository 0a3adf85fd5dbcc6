"""Where new files are born, so that making one costs 20 µs and not 500.

ext4 does not give out an inode again in the minute after its file was deleted, and looks at every such
inode of the folder's block group, up to 8,192 of them, each time that a file is made (`recently_deleted` in
fs/ext4/ialloc.c). A spool deletes as many files as it makes, so a fixed folder soon costs the full scan.
Here a new folder every few hundred files takes the birth to another block group: below a folder with the T
attribute (chattr(1), "top of directory hierarchies") the allocator spreads folders over the disk. The file
is then moved to where it belongs. Other file systems ignore the attribute and lose nothing but a rename."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
from pathlib import Path

FILES = 256
FS_IOC_GETFLAGS = 0x80086601
FS_IOC_SETFLAGS = 0x40086602
TOPDIR = 0x00020000


class Nursery:
    """One process's birthplace under run/, which is emptied when the gateway starts. Not for two threads at
    a time."""

    def __init__(self, run_dir: Path, process: str) -> None:
        self._root = run_dir / "nursery" / process
        if self._root.exists():  # of a predecessor that died
            shutil.rmtree(self._root)
        self._root.mkdir(mode=0o700, parents=True)
        spread(self._root)
        self._made = 0
        self._folder = -1
        self._name = ""
        self._spare = -1

    def create(self, name: str, folder: int) -> int:
        """Makes the file `name` in the folder that the descriptor `folder` names; a descriptor open for
        writing, mode 0600.

        OSError as open(2) and rename(2) raise it. A file of that name would be replaced: names are made
        here and never twice."""
        descriptor = self._spare if self._spare >= 0 else self._bear()
        self._spare = -1
        try:
            os.rename("new", name, src_dir_fd=self._folder, dst_dir_fd=folder)
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                os.unlink("new", dir_fd=self._folder)
            raise
        self._made += 1
        return descriptor

    def prepare(self) -> None:
        """Makes the next file ahead, while nobody waits for it. What keeps it from that, the next `create` will meet and tell."""
        if self._spare < 0:
            with contextlib.suppress(OSError):
                self._spare = self._bear()

    def close(self) -> None:
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1
        shutil.rmtree(self._root)

    def _bear(self) -> int:
        if self._made % FILES == 0:
            self._move_on()
        try:
            return self._open()
        except FileExistsError:  # an earlier one could neither be moved nor removed
            os.unlink("new", dir_fd=self._folder)
            return self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return os.open("new", flags, 0o600, dir_fd=self._folder)

    def _move_on(self) -> None:
        name = f"{self._made // FILES:x}"
        path = self._root / name
        path.mkdir(mode=0o700, exist_ok=True)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        before, self._folder = self._folder, folder
        left, self._name = self._name, name
        if before >= 0:
            os.close(before)
        if left not in {"", name}:
            with contextlib.suppress(OSError):  # an empty folder more, until the next start
                (self._root / left).rmdir()


def spread(path: Path) -> None:
    """From now on new folders in `path` get block groups of their own, where the file system has any."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = struct.unpack("i", fcntl.ioctl(folder, FS_IOC_GETFLAGS, bytes(4)))[0]
        fcntl.ioctl(folder, FS_IOC_SETFLAGS, struct.pack("i", flags | TOPDIR))
    except OSError:
        return  # a file system without the attribute, hence without the scan
    finally:
        os.close(folder)
