"""The measures of docs/reliability.md: what a run of one is given, and what it found."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from engine.version import VERSION

ROOT: Final = Path(__file__).resolve().parents[2]
BOOK: Final = ROOT / "docs" / "reliability.json"
WRITTEN_HERE: Final = ("docs/reliability.json", "docs/reliability.md")
MOST_FAILURES: Final = 20

Figure = int | float | str


def commit() -> str:
    """The commit that is checked out, with a "+" where files differ from it; "" where there is none to be seen. What the
    recording itself writes does not count."""
    but = [f":(exclude){name}" for name in WRITTEN_HERE]
    try:
        head = _git("rev-parse", "--short=10", "HEAD")
        changed = _git("status", "--porcelain", "--", ".", *but)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""
    return head + "+" * bool(changed)


def _git(*words: str) -> str:
    told = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return told.stdout.strip()


@dataclass(slots=True)
class Run:
    """One run of a measure. `count` is how often it shall be done, in the measure's own unit; `work` is an empty
    folder. The measure fills `done`, `figures` and `failures`; an empty list of failures means that the goal is met.
    When `over` is set it ends at its next step, and is compared and counted as far as it came. `timed`: whether times are held
    against their goals, which says something only on a machine that does nothing else."""

    work: Path
    count: int
    seed: int
    done: int = 0
    figures: dict[str, Figure] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    over: threading.Event = field(default_factory=threading.Event)
    commit: str = field(default_factory=commit)
    timed: bool = True

    def fail(self, what: str) -> None:
        """Something that must never happen did."""
        self.failures.append(what)

    def must(self, holds: bool, what: str) -> None:
        """`what` says the failure."""
        if not holds:
            self.fail(what)

    def must_in_time(self, holds: bool, what: str) -> None:
        """The same for what depends on how fast the machine is just now."""
        self.must(holds or not self.timed, what)

    def add(self, name: str, number: float = 1) -> None:
        """Adds to a figure that counts."""
        before = self.figures.get(name, 0)
        assert not isinstance(before, str)
        self.figures[name] = before + number

    def most(self, name: str, number: float) -> None:
        """Keeps the largest."""
        before = self.figures.get(name, number)
        assert not isinstance(before, str)
        self.figures[name] = max(before, number)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def describe(self, name: str) -> dict[str, Any]:
        """The run as the book keeps it."""
        return {
            "measure": name,
            "seed": self.seed,
            "asked": self.count,
            "done": self.done,
            "seconds": round(self.seconds, 1),
            "figures": {key: _short(value) for key, value in self.figures.items()},
            "failures": self.failures[:MOST_FAILURES],
            "failed": len(self.failures),
            "penstock": VERSION,
            "commit": self.commit,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }


@dataclass(frozen=True, slots=True)
class Measure:
    """One row, or a part of one: `row` is its number in the table of promises. `full` and `few` are the counts of
    the whole run and of the one in continuous integration (0: it is not run there), in `unit`s."""

    name: str
    row: str
    what: str
    goal: str
    unit: str
    full: int
    few: int
    do: Callable[[Run], None]
    note: str = ""


def _short(value: Figure) -> Figure:
    return round(value, 3) if isinstance(value, float) else value
