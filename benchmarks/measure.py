"""One subject, once, in a process of its own on one core."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson

from benchmarks.inputs import ROOT


def subject(name: str, source: Path, work: Path, objects: int, *, cold: bool = False) -> dict[str, float]:
    """The subject `name` of benchmarks.subjects over the first `objects` files of `source`, into a new folder in `work`;
    `cold`: their pages are put out of the cache first. Seconds, processor seconds, peak RSS in bytes. The folder stays, with
    empty files: see `benchmarks.subjects.CHUNK`.

    RuntimeError with what the process said if it failed.
    """
    command = [
        sys.executable,
        "-m",
        "benchmarks.subjects",
        name,
        str(source),
        str(new_folder(work)),
        str(objects),
    ]
    return on_one_core([*command, *(["cold"] if cold else [])])


def new_folder(work: Path) -> Path:
    """For the outputs of one process."""
    return Path(tempfile.mkdtemp(prefix="out-", dir=work))


def on_one_core(command: list[str]) -> dict[str, float]:
    """A command whose last line of output is a JSON object of numbers."""
    core = min(os.sched_getaffinity(0))
    told = subprocess.run(
        ["taskset", "-c", str(core), *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if told.returncode:
        raise RuntimeError(f"{' '.join(command[1:4])} failed:\n{told.stderr}")
    numbers: dict[str, float] = orjson.loads(told.stdout.splitlines()[-1])
    return numbers
