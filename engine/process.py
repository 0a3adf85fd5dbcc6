"""What the gateway asks of the kernel for each of its processes: die with the parent, leave no core, be
small.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4


def die_with_parent(parent: int) -> None:
    """SIGKILL for this process when the process `parent` (its pid) dies; exits at once if it is dead
    already.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def leave_no_traces() -> None:
    """No core dumps; files for the owner only; others of the same user cannot read this process's memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    _prctl(PR_SET_DUMPABLE, 0)


def limit_memory(most: int) -> None:
    """An allocation that takes the process's private memory over `most` bytes fails with MemoryError."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def resident_bytes(pid: int) -> int:
    """The resident set of a process in bytes; 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * resource.getpagesize()


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
