"""File systems for tests, as root: an ext4 or XFS in a file whose power can be cut, and a small tmpfs."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

IOC_SHUTDOWN: Final = 0x8004587D  # ext4's and XFS's (XFS_IOC_GOINGDOWN): _IOR('X', 125, __u32)
NO_LOG_FLUSH: Final = 2
MKFS: Final = {"ext4": ("mkfs.ext4", "-q", "-F", "-m", "0"), "xfs": ("mkfs.xfs", "-q", "-f")}
CHECK: Final = {"ext4": ("e2fsck", "-f", "-n"), "xfs": ("xfs_repair", "-n")}
UNMOUNT_SECONDS: Final = 20.0
SAID_SECONDS: Final = 60.0


class CannotMountError(Exception):
    """This machine does not allow it: no root, no loop device, no such file system."""


@dataclass(frozen=True, slots=True)
class LoopDisk:
    """A file system in the file `image`, mounted at `mount` (mode 0700); `kind` is a key of MKFS."""

    image: Path
    mount: Path
    kind: str = "ext4"

    @classmethod
    def make(
        cls, image: Path, mount: Path, megabytes: int, options: tuple[str, ...] = (), kind: str = "ext4"
    ) -> LoopDisk:
        """Made with these further options of its mkfs, and mounted; XFS takes 300 MB at least. CannotMountError where that is not
        allowed."""
        command = MKFS[kind]
        if os.geteuid() != 0 or shutil.which(command[0]) is None:
            raise CannotMountError(f"needs root and {command[0]}")
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        subprocess.run([*command, *options, str(image)], check=True)
        disk = cls(image, mount, kind)
        mount.mkdir(parents=True, exist_ok=True)
        disk.attach()
        mount.chmod(0o700)
        shutil.rmtree(mount / "lost+found", ignore_errors=kind != "ext4")
        return disk

    def attach(self) -> None:
        """Mounts it, which replays the journal."""
        command = ["mount", "-o", "loop", str(self.image), str(self.mount)]
        told = subprocess.run(command, check=False, capture_output=True, text=True)
        if told.returncode != 0:
            raise CannotMountError(told.stderr.strip())

    def cut_power(self) -> None:
        """From now on nothing reaches the disk: neither the journal's open transaction nor any dirty page."""
        descriptor = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def detach(self) -> None:
        """Unmounts it; waits for processes that are ending."""
        until = time.monotonic() + UNMOUNT_SECONDS
        while True:
            told = subprocess.run(["umount", str(self.mount)], check=False, capture_output=True, text=True)
            if told.returncode == 0:
                return
            if time.monotonic() > until:
                raise OSError(errno.EBUSY, told.stderr.strip())
            time.sleep(0.05)

    def told_before_a_cut(
        self, script: str, *arguments: str, enough: int, chance: random.Random, longest: float
    ) -> list[str]:
        """Runs a Python script that writes to this disk, its mount the first of its arguments, until it has said `enough` lines and
        up to `longest` seconds more; then the power fails and comes back. All lines that the script said."""
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(self.mount), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout is not None
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(line.strip() for line in child.stdout or ()))
        reader.start()
        until = time.monotonic() + SAID_SECONDS
        while len(lines) < enough and time.monotonic() < until and child.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, longest))
        self.cut_power()
        child.kill()
        child.wait()
        reader.join()
        child.stdout.close()
        self.detach()
        self.attach()
        return lines

    def is_sound(self) -> bool:
        """What its check says of it, unmounted."""
        command = [*CHECK[self.kind], str(self.image)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextlib.contextmanager
def loop_disk(image: Path, mount: Path, megabytes: int, kind: str = "ext4") -> Iterator[LoopDisk]:
    """One that is unmounted in the end, whatever state it is in."""
    disk = LoopDisk.make(image, mount, megabytes, kind=kind)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False, capture_output=True)


@contextlib.contextmanager
def small_tmpfs(mount: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs of mode 0700. CannotMountError where that is not allowed."""
    mount.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m,mode=700"
    told = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "penstock-test", str(mount)],
        check=False,
        capture_output=True,
        text=True,
    )
    if told.returncode != 0:
        raise CannotMountError(told.stderr.strip())
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
