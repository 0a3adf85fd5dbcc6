"""Makes names durable: creations, renames and deletions in a folder."""

from __future__ import annotations

import os
from pathlib import Path


def sync_names(folder: int) -> None:
    """Returns when all that was done before in the open folder is durable. OSError if it is not, or if nobody can know; never call
    it again then for the same names.

    An XFS that has shut itself down, because its log could not be written, has thrown away what was not in it yet, and then says of
    a folder's fsync that it succeeded: nothing is left to wait for (xfs_dir_fsync, seen with Linux 6.18). It refuses to say
    anything about the folder itself, though (xfs_vn_getattr), and it never comes back from there by itself."""
    os.fsync(folder)
    os.fstat(folder)


def sync_folder(path: Path) -> None:
    """The same for a folder by its path."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_names(descriptor)
    finally:
        os.close(descriptor)
