"""One subject, once, in a process of its own on one core."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import orjson

from benchmarks.inputs import ROOT


def subject(name: str, source: Path, target: Path, objects: int, *, cold: bool = False) -> dict[str, float]:
    """The subject `name` of benchmarks.subjects over the first `objects` files of `source`, into the fresh folder `target`;
    `cold`: their pages are put out of the cache first. Seconds, processor seconds, peak RSS in bytes.

    RuntimeError with what the process said if it failed.
    """
    command = [sys.executable, "-m", "benchmarks.subjects", name, str(source), str(target), str(objects)]
    return on_one_core([*command, *(["cold"] if cold else [])], target)


def on_one_core(command: list[str], target: Path) -> dict[str, float]:
    """A command whose last line of output is a JSON object of numbers."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    core = min(os.sched_getaffinity(0))
    told = subprocess.run(
        ["taskset", "-c", str(core), *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if told.returncode:
        raise RuntimeError(f"{' '.join(command[1:4])} failed:\n{told.stderr}")
    shutil.rmtree(target)
    numbers: dict[str, float] = orjson.loads(told.stdout.splitlines()[-1])
    return numbers
