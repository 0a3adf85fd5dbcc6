"""How much processor time each role takes, as the kernel counts it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_TICK: Final = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = (
    11,
    12,
)  # fields of /proc/PID/stat behind the name in parentheses (proc_pid_stat(5): utime, stime)


@dataclass(slots=True)
class Processors:
    """Fed with the pids of the roles; gives what was used since the last time. What a process used after it was last
    seen and before its death is not counted."""

    _seen: dict[int, float] = field(default_factory=dict)

    def used(self, pids: dict[str, list[int]]) -> dict[str, float]:
        """Seconds by name. A process that is seen for the first time counts with all that it has used."""
        found: dict[str, float] = {}
        now: dict[int, float] = {}
        for name, mine in pids.items():
            found[name] = 0.0
            for pid in mine:
                seconds = processor_seconds(pid)
                if seconds is not None:
                    now[pid] = seconds
                    found[name] += max(seconds - self._seen.get(pid, 0.0), 0.0)
        self._seen = now
        return found


def processor_seconds(pid: int) -> float | None:
    """User and system time of a process; None if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICK


def children(pid: int) -> list[int]:
    """The pids of the children that a process's first thread has started."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(word) for word in text.split()]
