"""One subject, once, in a process of its own on one core."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson

from benchmarks.inputs import ROOT
from engine.spool.nursery import spread


def subject(name: str, source: Path, work: Path, objects: int, *, cold: bool = False) -> dict[str, float]:
    """The subject `name` of benchmarks.subjects over the first `objects` files of `source`, into a new folder in `work`;
    `cold`: their pages are put out of the cache first. Seconds, processor seconds, peak RSS in bytes. The folder stays, with
    empty files: see `benchmarks.subjects.CHUNK`.

    RuntimeError with what the process said if it failed.
    """
    asked = command(name, source, new_folder(work), objects)
    return on_one_core([*asked, *(["cold"] if cold else [])])


def command(name: str, source: Path, target: Path, objects: int) -> list[str]:
    """What runs a subject of benchmarks.subjects."""
    return [sys.executable, "-m", "benchmarks.subjects", name, str(source), str(target), str(objects)]


def new_folder(work: Path) -> Path:
    """For the outputs of one process. On ext4 it lies in another part of the disk than its neighbours, so that no inode there was
    removed lately (see `benchmarks.subjects.CHUNK`)."""
    spread(work)
    return Path(tempfile.mkdtemp(prefix="out-", dir=work))


def on_one_core(command: list[str]) -> dict[str, float]:
    """A command whose last line of output is a JSON object of numbers."""
    return on_cores([command])[0]


def on_cores(commands: list[list[str]]) -> list[dict[str, float]]:
    """Such commands at the same time, each on a core of its own; ValueError if there are more of them than cores."""
    cores = sorted(os.sched_getaffinity(0))
    running = [
        subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for core, command in zip(cores[: len(commands)], commands, strict=True)
    ]
    found: list[dict[str, float]] = []
    for command, process in zip(commands, running, strict=True):
        told, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(f"{' '.join(command[1:4])} failed:\n{errors}")
        found.append(orjson.loads(told.splitlines()[-1]))
    return found
