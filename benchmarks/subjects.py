"""One way of bringing a folder of files to another, in a process of its own: plain copies, and Penstock's rewrite.

python -m benchmarks.subjects NAME SOURCE TARGET COUNT [cold]
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import orjson

Bring = Callable[[Path, Path], None]  # from a file to one that is not there yet
Pipe = Callable[[int, int, int], None]  # source descriptor, target descriptor, source size in bytes

# A head of this CT begins with so many bytes of the source and ends with so many in the output: what a rewrite does to
# the alignment of what follows. (The exact figures do not matter, that they differ modulo the page does.)
OLD_HEAD, NEW_HEAD = 6_338, 3_470

# Outputs are emptied, untimed, after so many: virtual machines pay for every page that was not in use lately. They are not
# removed: ext4 gives no inode out again within a minute of its removal (five, while the disk is written) and looks at each such
# inode on its way to a free one, so that whoever removes outputs measures that: 20 µs a file become 350.
CHUNK = 100


def _copy_range(source: int, target: int, offset: int, count: int) -> None:
    while count:
        moved = os.copy_file_range(source, target, count, offset_src=offset)
        if not moved:
            raise OSError("the source ended early")
        offset += moved
        count -= moved


def copy_aligned(_target: Path) -> Bring:
    """The whole file by copy_file_range: source and target offsets are equal."""

    def bring(source: int, target: int, size: int) -> None:
        _copy_range(source, target, 0, size)

    return _opening(bring)


def copy_unaligned(_target: Path) -> Bring:
    """A head of another length, then the rest by copy_file_range: the least that a changed head costs."""
    head = bytes(NEW_HEAD)

    def bring(source: int, target: int, size: int) -> None:
        os.write(target, head)
        _copy_range(source, target, OLD_HEAD, size - OLD_HEAD)

    return _opening(bring)


def _penstock(_target: Path, profile: str = "default", *, page_aligned: bool = False) -> Bring:
    """Head read, planned and written, the leak scan included, body by copy_file_range."""
    from engine.profile import compiled
    from engine.pseudonymize.identity import HashSecret
    from engine.pseudonymize.plan import write_plan
    from engine.pseudonymize.rewrite import Pseudonymizer

    pseudonymizer = Pseudonymizer(compiled(profile), HashSecret.generate(), page_aligned=page_aligned)
    pass_key = secrets.token_bytes(32)

    def bring(source: int, target: int, size: int) -> None:
        write_plan(pseudonymizer.plan(source, size, pass_key), source, target)

    return _opening(bring)


def gateway_step(target: Path) -> Bring:
    """What a worker of the gateway does: the plan goes to a sidecar beside the original, which stays where it is."""
    from engine.profile import compiled
    from engine.pseudonymize import sidecar
    from engine.pseudonymize.identity import HashSecret
    from engine.pseudonymize.rewrite import Pseudonymizer
    from engine.spool.layout import write_whole
    from engine.spool.nursery import Nursery

    pseudonymizer = Pseudonymizer(compiled("default"), HashSecret.generate())
    pass_key = secrets.token_bytes(32)
    nursery = Nursery(target / ".run", "worker-0")
    folder = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def bring(source: Path, made: Path) -> None:
        original = os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            size = os.fstat(original).st_size
            plan = pseudonymizer.plan(original, size, pass_key)
        finally:
            os.close(original)
        temporary = f".{made.name}"
        descriptor = nursery.create(temporary, folder)
        try:
            write_whole(descriptor, sidecar.encode(plan, size))
        finally:
            os.close(descriptor)
        os.rename(temporary, made.name, src_dir_fd=folder, dst_dir_fd=folder)

    return bring


def _opening(pipe: Pipe) -> Bring:
    def bring(source: Path, made: Path) -> None:
        read = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            write = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                pipe(read, write, os.fstat(read).st_size)
            finally:
                os.close(write)
        finally:
            os.close(read)

    return bring


SUBJECTS: dict[str, Callable[[Path], Bring]] = {
    "copy-aligned": copy_aligned,
    "copy-unaligned": copy_unaligned,
    "penstock": _penstock,
    "penstock-research": partial(_penstock, profile="research"),
    "penstock-aligned": partial(_penstock, page_aligned=True),
    "gateway-step": gateway_step,
}


def main(name: str, source: Path, target: Path, count: int, *, cold: bool = False) -> dict[str, float]:
    """Brings the first `count` files; seconds of wall and processor time, peak RSS in bytes."""
    bring = SUBJECTS[name](target)
    paths = sorted(source.iterdir())[:count]
    bring(paths[0], target / "warm-up")
    os.truncate(target / "warm-up", 0)
    for path in paths:
        _cool(path) if cold else _warm(path)
    os.sync()
    seconds = cpu = 0.0
    for first in range(0, len(paths), CHUNK):
        chunk = paths[first : first + CHUNK]
        began, used = time.perf_counter(), time.process_time()
        for path in chunk:
            bring(path, target / path.name)
        seconds += time.perf_counter() - began
        cpu += time.process_time() - used
        for path in chunk:
            os.truncate(target / path.name, 0)
    return {"objects": len(paths), "seconds": seconds, "cpu_seconds": cpu, "peak_rss": _peak_rss()}


def _warm(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(1 << 20):
            pass


def _cool(path: Path) -> None:
    """Clean pages leave the cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _peak_rss() -> int:
    """Bytes. Not from getrusage, whose maximum outlives fork and exec and so shows the parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    numbers = main(
        sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), cold=sys.argv[5:] == ["cold"]
    )
    print(orjson.dumps(numbers).decode())
