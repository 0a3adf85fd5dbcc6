"""The commands and configurations that the documents show are run and loaded as they stand.

A code block is taken when the line before it is `<!-- run -->`, `<!-- run with study -->` (a small study lies in the
folder `study`) or `<!-- config: gateway -->`. The blocks of one document share one folder, in their order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.config import load_gateway, load_platform
from engine.dicom import sample

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^<!-- (run|run with study|config: \w+) -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
LOADERS = {"config: gateway": load_gateway, "config: platform": load_platform}


@dataclass(frozen=True)
class Block:
    """A marked code block: what to do with it, and its text."""

    mark: str
    text: str


def blocks(page: Path) -> list[Block]:
    return [Block(*match.groups()) for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]


WITH_BLOCKS = [page for page in PAGES if blocks(page)]


def run(text: str, folder: Path) -> None:
    """The block as a shell script, with the commands of this environment first in PATH."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    told = subprocess.run(
        ["sh", "-eu"], check=False, input=text, cwd=folder, env=environment, capture_output=True, text=True
    )
    assert told.returncode == 0, f"{text}\n{told.stdout}{told.stderr}"


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
def test_what_a_document_shows_works_as_it_stands(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page)):
        if block.mark == "run with study":
            sample.write(tmp_path / "study", shape=sample.Shape(slices=2, size=64))
        if block.mark.startswith("run"):
            run(block.text, tmp_path)
        else:
            path = tmp_path / f"{number}.toml"
            path.write_text(block.text, encoding="utf-8")
            LOADERS[block.mark](path)


def test_the_readme_has_such_blocks() -> None:
    assert [block.mark for block in blocks(ROOT / "README.md")] == [
        "run with study", "config: gateway", "run", "config: platform",
    ]  # fmt: skip


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no-such-command"):
        run("no-such-command --now\n", tmp_path)
