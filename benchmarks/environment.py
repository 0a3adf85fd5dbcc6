"""The machine that a measurement was made on; a figure without it says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from engine.spool.writeback import ext4_journal

PACKAGES = (
    "cython",
    "numpy",
    "pydicom",
    "pynetdicom",
    "uvloop",
    "aiohttp",
    "uvicorn",
    "cryptography",
    "blake3",
)


def describe(work: Path) -> dict[str, object]:
    """Processor, memory, kernel, the file system of `work`, versions: no host name, nothing that names a person."""
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "file_system": _file_system(work),
        "python": platform.python_version(),
        "compiler": _first_line("gcc", "--version"),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "penstock": metadata.version("dicom-penstock"),
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _file_system(path: Path) -> str:
    """The type of the file system that `path` lies on: the longest mount point that leads to it."""
    where = path.resolve()
    found = ("", "unknown")
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, point, kind, *_ = line.split()
        if where.is_relative_to(point) and len(point) > len(found[0]):
            found = (point, kind)
    return found[1] + (" without a journal" if ext4_journal(where) is False else "")


def _first_line(*command: str) -> str:
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return output.partition("\n")[0]
