"""The measures of docs/reliability.md: what a run of one is given, what it found, and the book of all runs."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from engine.version import VERSION

ROOT: Final = Path(__file__).resolve().parents[2]
BOOK: Final = ROOT / "docs" / "reliability.json"
MOST_FAILURES: Final = 20

Figure = int | float | str


@dataclass(slots=True)
class Run:
    """One run of a measure. `count` is how often it shall be done, in the measure's own unit; `work` is an empty
    folder. The measure fills `done`, `figures` and `failures`; an empty list of failures means that the goal is met."""

    work: Path
    count: int
    seed: int
    done: int = 0
    figures: dict[str, Figure] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def fail(self, what: str) -> None:
        """Something that must never happen did."""
        self.failures.append(what)

    def must(self, holds: bool, what: str) -> None:
        """`what` says the failure."""
        if not holds:
            self.fail(what)

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
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
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


def load(path: Path = BOOK) -> dict[str, Any]:
    """The book; an empty one where there is none."""
    if not path.exists():
        return {"machine": {}, "runs": []}
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found


def record(told: Mapping[str, Any], path: Path = BOOK) -> None:
    """Puts a run into the book; one of the same measure with the same seed and count is replaced."""
    book = load(path)
    key = ("measure", "seed", "asked")
    book["machine"] = machine()
    book["runs"] = [run for run in book["runs"] if any(run[k] != told[k] for k in key)] + [dict(told)]
    book["runs"].sort(key=lambda run: (str(run["measure"]), int(run["seed"]), int(run["asked"])))
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(orjson.dumps(book, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    temporary.replace(path)


def machine() -> dict[str, Figure]:
    """What the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count() or 0,
        "memory_gib": round(memory / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
