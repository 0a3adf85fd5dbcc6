"""The units' system call filters allow what gateway and platform do: traced while a study travels, so that no call which is refused
and goes unnoticed under a live systemd (test_live_systemd.py) is missed.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "scripts" / "deploy"
UNITS = ("penstock-gateway.service", "penstock-platform.service")
# Answered with EPERM under the filter, which does no harm: SQLite gives files of root to their folder's owner, and only as root;
# numpy's BLAS asks for a place of its memory, and goes on without an answer.
HARMLESS = {"fchown", "mbind"}
pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None or os.geteuid() != 0, reason="needs strace, as root"
)


@functools.cache
def group(name: str) -> frozenset[str]:
    """The system calls of one of systemd's groups."""
    told = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True
    ).stdout
    words = [line.strip() for line in told.splitlines()[1:]]
    plain = {word for word in words if re.fullmatch(r"[a-z0-9_]+", word)}
    return frozenset(plain.union(*(group(word) for word in words if word.startswith("@"))))


def allowed(unit: str) -> set[str]:
    """What the unit's SystemCallFilter lines leave, read in their order (systemd.exec(5))."""
    found: set[str] = set()
    for line in (DEPLOY / unit).read_text().splitlines():
        if not line.startswith("SystemCallFilter="):
            continue
        value = line.partition("=")[2]
        calls = {
            call
            for word in value.removeprefix("~").split()
            for call in (group(word) if word[0] == "@" else {word})
        }
        found = found - calls if value.startswith("~") else found | calls
    return found


@pytest.mark.timeout(300)
def test_no_call_that_a_travelling_study_needs_is_filtered(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    traced = [
        "strace",
        "-f",
        "-qq",
        "-c",
        "-U",
        "name",
        "-o",
        str(calls),
        sys.executable,
        "-m",
        "engine.cli",
        "demo",
    ]
    done = subprocess.run(traced, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    used = {word for word in calls.read_text().split() if re.fullmatch(r"[a-z][a-z0-9_]+", word)} - {
        "syscall",
        "total",
        "name",
    }
    assert {"fdatasync", "renameat", "sync_file_range", "prctl"} <= used, "the gateway itself was traced"
    for unit in UNITS:
        assert used - allowed(unit) - HARMLESS - {"setpriority", "getpriority"} == set(), unit
    assert "setpriority" in allowed("penstock-gateway.service")


def test_what_is_dangerous_is_filtered() -> None:
    for unit in UNITS:
        left = allowed(unit)
        assert not left & {
            "mount",
            "ptrace",
            "init_module",
            "setuid",
            "chroot",
            "reboot",
            "bpf",
            "kexec_load",
        }, unit
        assert {"read", "write", "openat", "futex", "clone"} <= left
