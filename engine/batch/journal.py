"""Which inputs of an unfinished run are done, without saying which they are.

The journal is a row of 16-byte records. A tag is a keyed BLAKE3 of an input's name, size and time of change;
the key hangs on the run key, so nobody can tell a tag's file once the run key is destroyed, and a file that
changed has another tag. A checkpoint is 8 zero bytes and a position: what the tags before that position stand
for is on the disk for good. Later tags are true as long as the machine was not restarted, since a process
that is killed takes nothing of the page cache with it; after a restart they are dropped, and those inputs are
looked at again."""

from __future__ import annotations

import os
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path

from blake3 import blake3

from engine.spool.layout import write_whole

TAG_BYTES = 16
CHECKPOINT = bytes(8)  # 1 tag in 2⁶⁴ begins like this; its file would be looked at again


def tag_of(key: bytes, name: bytes, size: int, mtime_ns: int) -> bytes:
    """16 bytes that stand for one state of one input; `key` has 32 bytes."""
    return blake3(struct.pack("<QQ", size, mtime_ns) + name, key=key).digest(TAG_BYTES)


class Done:
    """The tags of finished inputs, sorted, 16 bytes each and nothing more: made before the workers are
    forked, so all of them share one copy."""

    def __init__(self, tags: bytes) -> None:
        if len(tags) % TAG_BYTES:
            raise ValueError("tags have 16 bytes each")
        self._tags = b"".join(sorted(set(_cut(tags))))

    @classmethod
    def read(cls, path: Path) -> Done:
        """What the journal at `path` holds, written to by another process or not. OSError as the file system gives it."""
        return cls(b"".join(tag for tag in _cut(path.read_bytes()) if not tag.startswith(CHECKPOINT)))

    def __len__(self) -> int:
        return len(self._tags) // TAG_BYTES

    def __contains__(self, tag: object) -> bool:
        if not self._tags or not isinstance(tag, bytes):
            return False
        at = bisect_left(range(len(self)), tag, key=self._tag)
        return at < len(self) and self._tag(at) == tag

    def _tag(self, at: int) -> bytes:
        return self._tags[at * TAG_BYTES : (at + 1) * TAG_BYTES]


class Journal:
    """The journal file, written by one process. Raises OSError as the file system does.

    `done` holds the tags that were there when it was opened; `size` is its length in bytes."""

    def __init__(self, path: Path, *, rebooted: bool, agree: Callable[[int], int] | None = None) -> None:
        """Opens or makes the file and drops what cannot be trusted: a torn record at the end always, what no
        checkpoint covers if the machine was `rebooted`, and what is behind the answer of `agree` to the size so
        far, both in bytes."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        records = _read_whole(self._fd)
        self.size = len(records) // TAG_BYTES * TAG_BYTES
        if rebooted:
            self.size = _covered(records)
        if agree is not None:
            self.size = agree(self.size)
        os.ftruncate(self._fd, self.size)
        os.lseek(self._fd, 0, os.SEEK_END)
        os.fsync(self._fd)
        self.done = Done(
            b"".join(tag for tag in _cut(records[: self.size]) if not tag.startswith(CHECKPOINT))
        )

    def add(self, tags: bytes) -> None:
        """Appends the tags of inputs whose outputs have their names."""
        write_whole(self._fd, tags)
        self.size += len(tags)

    def checkpoint(self, position: int) -> None:
        """Says that what the first `position` bytes stand for is durable. `position` is what `size` was when
        the file system was told to sync."""
        write_whole(self._fd, CHECKPOINT + struct.pack("<Q", position))
        os.fsync(self._fd)
        self.size += TAG_BYTES

    def close(self) -> None:
        os.close(self._fd)


def _read_whole(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _cut(records: bytes) -> Iterator[bytes]:
    return (records[at : at + TAG_BYTES] for at in range(0, len(records) // TAG_BYTES * TAG_BYTES, TAG_BYTES))


def _covered(records: bytes) -> int:
    # The furthest checkpoint, not the last: zeros that a power cut left at the end read as a checkpoint of
    # nothing.
    positions = [
        struct.unpack("<Q", record[8:])[0] for record in _cut(records) if record.startswith(CHECKPOINT)
    ]
    return max((position for position in positions if position <= len(records)), default=0)
