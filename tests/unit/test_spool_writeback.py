"""How bytes get to the disk before their name: by the order of the file system's log where it keeps one, by fdatasync elsewhere."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.spool.writeback import (
    WAIT_WRITE_WAIT,
    Writeback,
    ext4_journal,
    is_xfs,
    keeps_order,
)
from tests.support.smalldisk import CannotMountError, LoopDisk


def pretend(tmp_path: Path, task: str | None) -> Path:
    """A /sys in which the file system of tmp_path is ext4; `task` is what it says of its journal's thread."""
    device = tmp_path.stat().st_dev
    sys = tmp_path / "sys"
    disk = sys / "devices" / "disk"
    disk.mkdir(parents=True)
    (sys / "dev" / "block").mkdir(parents=True)
    (sys / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}").symlink_to(disk)
    about = sys / "fs" / "ext4" / "disk"
    about.mkdir(parents=True)
    if task is not None:
        (about / "journal_task").write_text(task)
    return sys


@pytest.mark.parametrize(
    ("task", "journal"),
    [
        ("412\n", True),
        ("0\n", True),  # seen from another PID namespace
        ("<none>\n", False),  # made without a journal (mkfs.ext4 -O ^has_journal)
        (None, None),
    ],
)
def test_ext4_counts_with_a_journal_alone(tmp_path: Path, task: str | None, journal: bool | None) -> None:
    sys = pretend(tmp_path, task)
    assert ext4_journal(tmp_path, sys) is journal
    assert keeps_order(tmp_path, sys, tmp_path / "no-mounts") is bool(journal)


def mounted(tmp_path: Path, kind: str) -> Path:
    """A list of mounts that says `kind` of the device of tmp_path, after one of another device."""
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    listed = tmp_path / "mountinfo"
    listed.write_text(
        f"21 1 0:999 / /proc rw - xfs proc rw\n36 21 {number} /a /mnt rw,noatime master:1 shared:2 - {kind}\n"
    )
    return listed


@pytest.mark.parametrize(
    ("kind", "ordered"),
    [
        ("xfs /dev/sdb1 rw,inode64,noquota", True),
        ("xfs /dev/sdb1 rw,inode64,logdev=/dev/sdc1,noquota", True),
        ("xfs /dev/sdb1 rw,rtdev=/dev/sdc1,noquota", False),  # the log's flush is not that of the data
        ("btrfs /dev/sdb1 rw,ssd", False),
        ("ext4 /dev/sdb1 rw", False),
    ],
)
def test_xfs_keeps_the_order_where_all_of_it_is_on_one_device(
    tmp_path: Path, kind: str, ordered: bool
) -> None:
    listed = mounted(tmp_path, kind)
    assert is_xfs(tmp_path, listed) is ordered
    assert keeps_order(tmp_path, tmp_path / "no-sys", listed) is ordered


@pytest.mark.parametrize(
    ("kind", "megabytes", "options", "ordered"),
    [("ext4", 16, (), True), ("ext4", 16, ("-O", "^has_journal"), False), ("xfs", 300, (), True)],
)
def test_a_real_file_system_tells_whether_it_keeps_the_order(
    tmp_path: Path, kind: str, megabytes: int, options: tuple[str, ...], ordered: bool
) -> None:
    try:
        disk = LoopDisk.make(tmp_path / "image", tmp_path / "disk", megabytes, options, kind)
    except CannotMountError as error:
        pytest.skip(str(error))
    try:
        assert keeps_order(disk.mount) is ordered
        assert ext4_journal(disk.mount) is (ordered if kind == "ext4" else None)
        assert is_xfs(disk.mount) is (kind == "xfs")
    finally:
        disk.detach()
    assert disk.is_sound()


def test_a_system_that_does_not_tell_is_not_believed(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert ext4_journal(tmp_path, nothing) is None
    assert not keeps_order(tmp_path, nothing, nothing)
    assert not is_xfs(tmp_path, nothing)
    nothing.touch()
    assert not is_xfs(tmp_path, nothing), "mounted in another namespace"


def test_memory_has_no_journal() -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir():
        pytest.skip("no tmpfs here")
    assert not Writeback(shm).in_order


@pytest.fixture
def writeback(tmp_path: Path) -> Writeback:
    return Writeback(tmp_path)


def test_without_the_order_it_is_fdatasync(
    writeback: Writeback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    writeback.in_order = False
    with (tmp_path / "x").open("wb") as file:
        writeback.finish(file.fileno())
        assert synced == [file.fileno()]


def test_with_the_order_the_whole_file_is_written_and_waited_for(
    writeback: Writeback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(fd: int) -> None:
        raise AssertionError("a commit more than needed")

    monkeypatch.setattr(os, "fdatasync", never)
    writeback.in_order = True
    real = writeback._call
    assert real is not None
    calls: list[tuple[int, int, int]] = []

    def call(descriptor: int, at: int, count: int, flags: int) -> int:
        calls.append((at, count, flags))
        return real(descriptor, at, count, flags)

    writeback._call = call
    with (tmp_path / "x").open("wb") as file:
        file.write(bytes(1_000_000))
        file.flush()
        writeback.finish(file.fileno())
    assert calls == [(0, 0, WAIT_WRITE_WAIT)]


@pytest.mark.parametrize("in_order", [True, False])
def test_what_the_kernel_refuses_is_an_error(writeback: Writeback, in_order: bool) -> None:
    writeback.in_order = in_order
    with pytest.raises(OSError, match="descriptor") as caught:
        writeback.finish(99_999)
    assert caught.value.errno == errno.EBADF


def test_beginning_promises_nothing_and_raises_nothing(writeback: Writeback, tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.write(b"abc")
        file.flush()
        writeback.begin(file.fileno(), 0, 3)
    writeback.begin(99_999, 0, 3)
