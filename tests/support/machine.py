"""A machine with a live systemd, for tests, as root: booted in namespaces on an overlay of this one by machine.sh."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SCRIPT: Final = Path(__file__).with_name("machine.sh")
SYSTEMD: Final = Path("/lib/systemd/systemd")
TOOLS: Final = ("unshare", "nsenter", "systemctl", "journalctl", "ip")
BOOT_SECONDS: Final = 60.0
CLEAN_SECONDS: Final = 20.0
COMMAND_SECONDS: Final = 120.0
ENVIRONMENT: Final = ("PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")
_NUMBERS: Final = itertools.count()


class NoMachineError(Exception):
    """A live systemd cannot be had here; the words say why."""


class Machine:
    """One that is up. Its commands run as its root, in all of its namespaces."""

    def __init__(self, leader: int) -> None:
        self._enter = ["nsenter", "-t", str(leader), "--all", "env", "-i", *ENVIRONMENT]

    def attempt(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs it and tells how it ended."""
        return subprocess.run(
            [*self._enter, *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
            stdin=subprocess.DEVNULL,
        )

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Starts it; its standard output can be read."""
        return subprocess.Popen(
            [*self._enter, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )

    def run(self, *command: str) -> str:
        """Its standard output; the test fails where it does."""
        done = self.attempt(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def shell(self, text: str) -> str:
        return self.run("sh", "-euc", text)

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit, as systemd tells it."""
        return self.run("systemctl", "show", "-P", name, unit).strip()

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "-u", unit, "-o", "cat", "--no-pager")

    def processes(self, unit: str) -> list[int]:
        """All that run in the unit's cgroup, by their numbers there."""
        group = self.shown(unit, "ControlGroup")
        return [int(one) for one in self.run("cat", f"/sys/fs/cgroup{group}/cgroup.procs").split()]

    def status(self, process: int) -> dict[str, str]:
        """/proc/PID/status (proc_pid_status(5))."""
        lines = self.run("cat", f"/proc/{process}/status").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@contextlib.contextmanager
def booted(folder: Path, packages: Path) -> Iterator[Machine]:
    """A machine that ends with the block. It sees `packages` at /srv/site, and FOLDER/shared at /srv/shared; `folder` is empty.

    NoMachineError where there can be none.
    """
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0 or not SYSTEMD.exists() or missing:
        raise NoMachineError(f"needs root, systemd and {', '.join(TOOLS)}")
    place, shared = folder / "place", folder / "shared"
    place.mkdir()
    shared.mkdir()
    cgroup = f"penstock-test-{os.getpid()}-{next(_NUMBERS)}"
    with (folder / "console").open("wb") as console:
        boot = subprocess.Popen(
            ["unshare", "--mount", str(SCRIPT), "boot", str(place), cgroup, str(packages), str(shared)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
        )
    try:
        yield _up(boot, folder / "console")
    finally:
        boot.kill()
        boot.wait()
        _clean(place, cgroup)


def _up(boot: subprocess.Popen[bytes], console: Path) -> Machine:
    """Waits until systemd says that it runs."""
    until = time.monotonic() + BOOT_SECONDS
    children = Path(f"/proc/{boot.pid}/task/{boot.pid}/children")
    said = "systemd did not answer"
    while time.monotonic() < until:
        if boot.poll() is not None:
            said = (console.read_text(errors="replace").strip().splitlines() or ["it ended at once"])[-1]
            break
        with contextlib.suppress(OSError):
            for leader in children.read_text().split():
                if Path(f"/proc/{leader}/comm").read_text().strip() == "systemd":
                    machine = Machine(int(leader))
                    told = machine.attempt("systemctl", "is-system-running")
                    said = f"systemd is {told.stdout.strip() or told.stderr.strip()}"
                    if told.stdout.strip() in {"running", "degraded"}:
                        return machine
        time.sleep(0.05)
    raise NoMachineError(said)


def _clean(place: Path, cgroup: str) -> None:
    """Its processes are ending: their cgroups can be taken away as soon as the last is gone."""
    command = ["unshare", "--mount", str(SCRIPT), "clean", str(place), cgroup]
    until = time.monotonic() + CLEAN_SECONDS
    while True:
        told = subprocess.run(command, check=False, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        if told.returncode == 0 or time.monotonic() > until:
            return
        time.sleep(0.1)
