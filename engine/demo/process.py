"""One process of ours, run as a person would run it: started, watched until it is ready, ended politely."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from engine.errors import PenstockError
from engine.process import MODULE

TAIL_LINES = 12
POLL_SECONDS = 0.02
FIRST_PORT: Final = 20_000
OWN_CHOICE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


class PartError(PenstockError):
    """One part of the whole did not do its work. `tail`: the last lines that it wrote to its log."""

    def __init__(self, part: str, message: str, tail: Sequence[str] = ()) -> None:
        super().__init__("part-failed", f"{part}: {message}")
        self.part = part
        self.tail = tuple(tail)

    def describe(self) -> dict[str, object]:
        """As every error, with the part and its last log lines."""
        return super().describe() | {"part": self.part, "log": list(self.tail)}


class Process:
    """A `penstock` command in a process of its own, its output in a log file.

    `name` is what a failure calls it. Starting is not being ready: see `wait_until`.
    """

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        self._arguments = [*MODULE, "engine.cli", *arguments]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise PartError(self.name, "was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts it; what it says is appended to the log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def tail(self) -> list[str]:
        """The last lines of the log; none if there is none."""
        if not self.log.exists():
            return []
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return [line.rstrip("\n") for line in deque(log, TAIL_LINES)]

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Returns when `ready()`; PartError when the process has ended or the time is over."""
        until = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise PartError(self.name, f"ended with exit code {self.wait()} before {what}", self.tail())
            if time.monotonic() > until:
                raise PartError(self.name, f"not {what} after {seconds:.0f} s", self.tail())
            time.sleep(POLL_SECONDS)

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code, when it has ended; PartError when the time is over."""
        if self._process is None:
            raise PartError(self.name, "was not started")
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise PartError(self.name, f"still running after {seconds:.0f} s", self.tail()) from None

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM, then its exit code; one that does not end in time is killed, and PartError is raised."""
        if not self.running:
            return self.wait()
        self.signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        finally:
            self.kill()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to this process alone, not to its children."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, if it still runs, and waits for its end."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody uses now; see `free_ports`."""
    return free_ports(1, host)[0]


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """So many different TCP ports that nobody uses now.

    They lie below those that the system chooses from for connections and for whoever asks for any port (ip(7)), so that they are
    still free a moment later, and again when their user has ended. Where there are none below, they are of the system's choice.
    """
    below = range(FIRST_PORT, int(OWN_CHOICE.read_text(encoding="ascii").split()[0]))
    found: list[int] = []
    with contextlib.ExitStack() as held:
        for port in random.sample(below, len(below)) + [0] * count:
            if len(found) == count:
                break
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):  # somebody has it
                probe.bind((host, port))
                found.append(int(probe.getsockname()[1]))
    return found
