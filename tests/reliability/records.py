"""docs/reliability.json, the book of all runs: {machine, runs, mended}."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from tests.reliability.book import BOOK, Figure

KEY = ("measure", "seed", "asked")

Told = Mapping[str, Any]


class CannotMergeError(Exception):
    """Two books that are no single one."""


def load(path: Path = BOOK) -> dict[str, Any]:
    """The book; an empty one where there is none."""
    if not path.exists():
        return {"machine": {}, "runs": [], "mended": []}
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    found.setdefault("mended", [])
    return found


def record(told: Told, path: Path = BOOK) -> None:
    """Puts a run into the book; one of the same measure with the same seed and count is replaced."""
    book = load(path)
    book["machine"] = machine()
    book["runs"] = [run for run in book["runs"] if _key(run) != _key(told)] + [dict(told)]
    _write(book, path)


def merge(other: Path, path: Path = BOOK) -> int:
    """Adds the runs of another book; how many were new. Of two with the same measure, seed and count the one that ended
    later stays; what this book calls mended is not taken up again. CannotMergeError if the other one is of another machine."""
    book, more = load(path), load(other)
    if book["machine"] and more["machine"] and book["machine"] != more["machine"]:
        raise CannotMergeError(f"the runs of {other} were made on another machine: {more['machine']}")
    runs = {_key(run): run for run in book["runs"]}
    mended = [one["run"] for one in book["mended"]]
    new = 0
    for run in more["runs"]:
        mine = runs.get(_key(run))
        if run in mended or (mine is not None and _ended(mine) >= _ended(run)):
            continue
        runs[_key(run)] = run
        new += 1
    book["machine"] = book["machine"] or more["machine"]
    book["runs"] = list(runs.values())
    _write(book, path)
    return new


def mend(measure: str, seed: int, asked: int, found: str, mended: str, path: Path = BOOK) -> None:
    """Moves a run that broke a promise to those whose cause is mended, with what was found and what was done about it.
    KeyError if there is no such run, ValueError if it has no failures."""
    book = load(path)
    runs = {_key(run): run for run in book["runs"]}
    run = runs.pop((measure, seed, asked))
    if not run["failed"]:
        raise ValueError(f"{measure} with seed {seed} has no failures")
    book["runs"] = list(runs.values())
    book["mended"].append({"run": run, "found": found, "mended": mended})
    _write(book, path)


def _key(run: Told) -> tuple[Any, ...]:
    return tuple(run[name] for name in KEY)


def _ended(run: Told) -> str:
    """When; runs of before the time was kept have their day only."""
    return str(run.get("ended", run["date"]))


def _write(book: dict[str, Any], path: Path) -> None:
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
