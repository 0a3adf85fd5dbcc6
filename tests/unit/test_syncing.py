"""Names are durable, or an error says that they are not."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from engine.syncing import sync_folder, sync_names
from tests.support.smalldisk import MKFS, CannotMountError, LoopDisk


def test_a_folder_is_synced_and_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "name").touch()
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "nothing")
    with pytest.raises(NotADirectoryError):
        sync_folder(tmp_path / "name")


@pytest.mark.parametrize("kind", MKFS)
def test_a_file_system_that_has_shut_itself_down_does_not_pass_for_a_synced_folder(
    tmp_path: Path, kind: str
) -> None:
    """XFS lets the plain fsync of a folder succeed then, though the rename before it is lost."""
    try:
        disk = LoopDisk.make(tmp_path / "image", tmp_path / "disk", 300, kind=kind)
    except CannotMountError as error:
        pytest.skip(str(error))
    folder = disk.mount / "received"
    folder.mkdir()
    (disk.mount / "part").touch()
    sync_folder(disk.mount)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        (disk.mount / "part").rename(folder / "object")
        disk.cut_power()
        with pytest.raises(OSError, match="Input/output") as caught:
            sync_names(descriptor)
        assert caught.value.errno == errno.EIO
    finally:
        os.close(descriptor)
        disk.detach()
    disk.attach()
    try:
        assert [path.name for path in (*disk.mount.iterdir(), *folder.iterdir())].count("object") == 0
    finally:
        subprocess.run(["umount", "-l", str(disk.mount)], check=True)
