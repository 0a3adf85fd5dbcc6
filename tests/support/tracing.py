"""strace on running processes: which system calls they make, and errors in place of some of them."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ATTACH_SECONDS: Final = 60.0
_LINE: Final = re.compile(rb"^(\d+) +([a-z0-9_]+)\(")


class CannotTraceError(Exception):
    """This machine does not allow it."""


@contextlib.contextmanager
def traced(pids: Sequence[int], calls: Sequence[str], output: Path, inject: str = "") -> Iterator[None]:
    """The processes with all their threads, from here to the end of the block. `inject`: strace's words behind the set
    of calls, as error=EIO:when=3. CannotTraceError when strace cannot attach."""
    if shutil.which("strace") is None:
        raise CannotTraceError("needs strace")
    names = ",".join(calls)
    command = ["strace", "-f", "-q", "-o", str(output), "-e", f"trace={names}"]
    if inject:
        command += ["-e", f"inject={names}:{inject}"]
    for pid in pids:
        command += ["-p", str(pid)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _await(process, pids)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=ATTACH_SECONDS)


def _await(process: subprocess.Popen[bytes], pids: Sequence[int]) -> None:
    until = time.monotonic() + ATTACH_SECONDS
    while not all(_is_traced(pid) for pid in pids):
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise CannotTraceError(process.communicate()[1].decode(errors="replace").strip())
        time.sleep(0.005)


def _is_traced(pid: int) -> bool:
    """Every thread of it; one that is gone is no reason to wait."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return all("TracerPid:\t0\n" not in (task / "status").read_text() for task in tasks)
    except (FileNotFoundError, ProcessLookupError):
        return True


def made(output: Path) -> Counter[str]:
    """The most calls of each name that one thread made."""
    counts: Counter[tuple[bytes, str]] = Counter()
    for line in output.read_bytes().splitlines():
        if found := _LINE.match(line):
            counts[found[1], found[2].decode()] += 1
    most: Counter[str] = Counter()
    for (_, name), count in counts.items():
        most[name] = max(most[name], count)
    return most


def injected(output: Path) -> int:
    """How many calls got an error in place of being made."""
    return output.read_bytes().count(b"(INJECTED)")
