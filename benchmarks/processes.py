"""What every process of a running gateway and platform took: processor time and the most memory it ever had."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """One process. `peak_rss` in bytes (VmHWM: resident pages, shared ones included), `cpu` in seconds."""

    name: str
    pid: int
    peak_rss: int
    cpu: float


def tree(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop(0)
        found.append(pid)
        queue += sorted(children.get(pid, []))
    return found


def usage(root: int, name: str) -> list[Usage]:
    """Each process of the tree; `name` is the root's, the others are called by their role."""
    found = []
    roles = {root: name}
    for pid in tree(root):
        fields, peak = _stat(pid), _peak_rss(pid)
        if not fields or not peak:
            continue
        if pid != root:
            role = f"{name}: {_role(pid)}"
            # A worker is forked from its coordinator and keeps its command line.
            roles[pid] = f"{name}: worker" if roles.get(int(fields[1])) == role else role
        found.append(Usage(roles[pid], pid, peak, (int(fields[11]) + int(fields[12])) / _TICKS))
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the command's name (proc(5)): state, ppid, …; none if it is gone."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
    except (FileNotFoundError, ProcessLookupError):
        return []


def _peak_rss(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def _role(pid: int) -> str:
    """The word behind `-m module` on its command line, which is the role of a supervised child."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return "gone"
    if "-m" in words and words.index("-m") + 2 < len(words):
        return words[words.index("-m") + 2]
    return "worker"
