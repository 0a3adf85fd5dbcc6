"""What pydicom and DCMTK's dcmdump say about a file, in words that two versions of a file can be compared by."""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings
from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

AT_ONCE = 256
BODIES = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def have_dcmdump() -> bool:
    return shutil.which("dcmdump") is not None


def dcmdump(paths: Sequence[Path]) -> dict[Path, frozenset[str]]:
    """The complaints of dcmdump about each file; many files in one call, fewer only where it complains."""
    found: dict[Path, frozenset[str]] = {}
    for at in range(0, len(paths), AT_ONCE):
        _dump(paths[at : at + AT_ONCE], found)
    return found


def _dump(paths: Sequence[Path], found: dict[Path, frozenset[str]]) -> None:
    done = subprocess.run(
        ["dcmdump", "--load-short", "--max-read-length", "4", *paths],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if not done.stderr and not done.returncode:
        found.update(dict.fromkeys(paths, frozenset()))
    elif len(paths) == 1:
        lines = done.stderr.decode("utf-8", "replace").splitlines()
        found[paths[0]] = frozenset(_plain(line, paths[0]) for line in lines if line.strip())
    else:
        middle = len(paths) // 2
        _dump(paths[:middle], found)
        _dump(paths[middle:], found)


def of_pydicom(path: Path, *, force: bool = False) -> frozenset[str]:
    """The complaints of pydicom about the whole of a file: each value is looked at, at every depth. An error
    that ends the reading is one of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            _look_at(pydicom.dcmread(path, force=force))
        except Exception as error:  # noqa: BLE001 - whatever it raises is what it has to say
            return frozenset({_plain(f"{type(error).__name__}: {error}", path)})
    return frozenset(_plain(str(warning.message), path) for warning in caught)


def _look_at(ds: Dataset) -> None:
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                _look_at(item)


def same_pixels(source: Path, output: Path) -> bool:
    """Whether the pixel data elements at the top level of two files have the same raw bytes, encapsulated ones
    with their items. Of a source that ends before its sequence does, pydicom tells nothing: there the output's
    bytes have to be found in the source."""
    before, after = _bodies(source), _bodies(output)
    whole = b"" if before.keys() == after.keys() else source.read_bytes()
    return before.keys() <= after.keys() and all(
        value == before[name] if name in before else value in whole for name, value in after.items()
    )


def _bodies(path: Path) -> dict[str, bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path, force=True, specific_tags=[*BODIES])
        return {name: ds[name].value for name in BODIES if name in ds}


def _plain(text: str, path: Path) -> str:
    """Without names, numbers and values, which a rewriting changes."""
    text = text.replace(str(path), "FILE")
    text = re.sub(r"'[^']*'", "VALUE", text)
    return re.sub(r"\b(0x)?[0-9][0-9a-fA-F.]*\b(?![,)])", "#", text)
