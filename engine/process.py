"""What the gateway asks of the kernel for each of its processes: die with the parent, leave no core, be
small.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

MODULE: Final = (sys.executable, "-P", "-m")
"""Begins the command of a module of ours. -m alone would look for it in the working directory first, where a checkout that is not
built, or anything else called `engine`, may lie."""
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
_ENDING = (signal.SIGTERM, signal.SIGINT)


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


def tell_service_manager(word: str) -> None:
    """Says `READY=1` or `STOPPING=1` (sd_notify(3)) to systemd, if it started this process and wants to know.

    OSError where it wants to and cannot be reached.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # in the abstract name space
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.sendto(word.encode(), address)


class StopRequest:
    """SIGTERM and SIGINT as something that a selector can wait for: `fileno` gets readable, `made` gets true."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.made = False
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._make) for number in _ENDING}

    def fileno(self) -> int:
        return self._reader

    def acknowledge(self) -> None:
        """Makes `fileno` quiet again."""
        os.read(self._reader, 4096)

    def close(self) -> None:
        """Gives the signals back to whoever had them before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._reader)
        os.close(self._writer)

    def _make(self, *_: object) -> None:
        self.made = True


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
