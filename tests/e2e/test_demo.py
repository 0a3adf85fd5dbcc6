"""`penstock demo`, run as a newcomer runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson

COMMAND = [sys.executable, "-m", "engine.cli", "demo", "--slices", "3"]


def test_the_demonstration_shows_a_study_that_arrived_and_leaves_nothing_behind(tmp_path: Path) -> None:
    told = subprocess.run(
        COMMAND, env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Mustermann^Änne" in told.stdout and "✗" not in told.stdout
    assert told.stdout.count("✓") >= 7
    assert told.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_as_json_it_is_one_document_and_every_check_holds() -> None:
    told = subprocess.run([*COMMAND, "--json"], capture_output=True, check=True)
    story = orjson.loads(told.stdout)
    assert story["good"] is True and all(check["holds"] for check in story["checks"])
    assert story["study"]["objects"] == story["platform"]["objects"] == 4
    lines = {line["name"]: line for line in story["attributes"]}
    assert lines["Patient ID"]["after"] == story["platform"]["hashed_id"] != lines["Patient ID"]["before"]
    assert story["platform"]["calculator"].endswith("/calculator")
    assert any("calculator" in check["what"] and check["holds"] for check in story["checks"])
    assert lines["Pixel data, BLAKE3"]["before"] == lines["Pixel data, BLAKE3"]["after"]
    assert told.stderr == b""


def test_a_part_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    # A module of the platform's that cannot be imported, by a path that comes first: as a broken installation has it.
    (tmp_path / "uvicorn.py").write_text("raise ImportError('broken on purpose')\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PENSTOCK_TRACEBACK": "1"}
    told = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "platform: ended with exit code" in told.stderr and "broken on purpose" in told.stderr
