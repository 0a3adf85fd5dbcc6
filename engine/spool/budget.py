"""How many bytes the spool holds, in memory that every process shares.

`run/budget` is an array of 64-bit words. Each process owns one slot of two words, `taken` and `returned`,
which only it writes and which only grow; the bytes in use are the sum over all slots. So there is no lock,
and a process that dies leaves nothing half-done. Slot 0 is the supervisor's: at start it holds what a scan
found, later what `reconcile` put right.

Two processes that ask at the same moment may both get the last bytes: the bound can be passed by one
reservation for each process."""

from __future__ import annotations

import fcntl
import mmap
import os
import stat
from pathlib import Path

from engine.errors import SpoolError
from engine.spool.layout import Spool

SLOTS = 64
NAME_BYTES = 48
SLOT_BYTES = NAME_BYTES + 16
WORDS = SLOT_BYTES // 8
TAKEN, RETURNED = 6, 7
SUPERVISOR = "supervisor"


class Budget:
    """One process's door to the shared count. Not safe for two threads that reserve at the same time."""

    def __init__(self, area: mmap.mmap, slot: int, max_bytes: int) -> None:
        self._area = area
        self._words = memoryview(area).cast("Q")
        self._base = slot * WORDS
        self.max_bytes = max_bytes
        self.seen = 0  # bytes in use when this process last asked

    @classmethod
    def attach(cls, run_dir: Path, role: str, max_bytes: int) -> Budget:
        """The slot named `role` (ASCII, 1–48 bytes; one for each process: "receiver", "receiver-1",
        "uploader" …).

        A process that starts again under its old name goes on with the slot it had. SpoolError when all 64
        are given away."""
        name = role.encode("ascii")
        if not 1 <= len(name) <= NAME_BYTES:
            raise ValueError("a budget role has 1 to 48 characters")
        descriptor = os.open(run_dir / "budget", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # only the giving away of slots needs it
            if os.fstat(descriptor).st_size < SLOTS * SLOT_BYTES:
                os.posix_fallocate(descriptor, 0, SLOTS * SLOT_BYTES)
            area = mmap.mmap(descriptor, SLOTS * SLOT_BYTES)
            slot = _slot_for(area, name)
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # the mapping keeps a copy of the descriptor
            return cls(area, slot, max_bytes)
        finally:
            os.close(descriptor)

    def reserve(self, size: int) -> bool:
        """Counts `size` more bytes if they still fit; False (and nothing counted) if the spool would be over
        its budget.
        """
        if self.used() + size > self.max_bytes:
            return False
        self._words[self._base + TAKEN] += size
        return True

    def add(self, size: int) -> None:
        """Counts bytes that are on the disk already, whether they fit or not."""
        self._words[self._base + TAKEN] += size

    def release(self, size: int) -> None:
        """Counts `size` bytes as free again. They may have been counted by another process."""
        self._words[self._base + RETURNED] += size

    def used(self) -> int:
        """Bytes in use by all processes together, never below 0."""
        words = self._words
        total = 0
        for base in range(0, SLOTS * WORDS, WORDS):
            total += words[base + TAKEN] - words[base + RETURNED]
        self.seen = max(total, 0)
        return self.seen

    def returned(self, *, but: str) -> int:
        """Bytes that all processes ever counted as free again, but for those whose role begins with `but`. It only grows."""
        other = but.encode("ascii")
        return sum(
            self._words[slot * WORDS + RETURNED]
            for slot in range(SLOTS)
            if self._area[slot * SLOT_BYTES : slot * SLOT_BYTES + len(other)] != other
        )

    @property
    def fraction(self) -> float:
        """Used by allowed: 0.0 … 1.0, and a little more while the last reservations finish."""
        return self.used() / self.max_bytes

    def correct(self, difference: int) -> None:
        """Puts right what dead processes left counted: adds `difference` bytes, or takes them off. For the
        supervisor.
        """
        if difference >= 0:
            self.add(difference)
        else:
            self.release(-difference)

    def close(self) -> None:
        self._words.release()
        self._area.close()


def counted(run_dir: Path) -> int:
    """What all processes together have counted, read without a slot; 0 if nobody counted yet."""
    try:
        words = memoryview((run_dir / "budget").read_bytes()).cast("Q")
    except FileNotFoundError:
        return 0
    return max(sum(words[at + TAKEN] - words[at + RETURNED] for at in range(0, len(words), WORDS)), 0)


def measure(spool: Spool) -> int:
    """The bytes of all objects and plans in the spool, by a scan (≈ 3 µs a file)."""
    total = 0
    folders = [spool.incoming, spool.received, spool.quarantine]
    for entry in os.scandir(spool.passes):
        folders += [Path(entry.path) / "in", Path(entry.path) / "out"]
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                total += sum(_size(entry) for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            continue  # a pass that ended during the scan, or nothing of ours
    return total


def _size(entry: os.DirEntry[str]) -> int:
    try:
        about = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return 0  # moved on during the scan
    return about.st_size if stat.S_ISREG(about.st_mode) else 0


def _slot_for(area: mmap.mmap, name: bytes) -> int:
    padded = name.ljust(NAME_BYTES, b"\0")
    first = 0 if name == SUPERVISOR.encode() else 1
    for slot in range(first, SLOTS):
        at = slot * SLOT_BYTES
        there = area[at : at + NAME_BYTES]
        if there == padded:
            return slot
        if not there.strip(b"\0"):
            area[at : at + NAME_BYTES] = padded
            return slot
    raise SpoolError("budget-slots", f"more than {SLOTS} processes want to count bytes in one spool")
