"""The newcomer's path, docs/start.md: every command as it stands there, in its order."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo.process import free_ports
from engine.dicom import sample
from tests.support import travel
from tests.support.cli import penstock

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^<!-- start(?:: (\w+))? -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOST_SECONDS = 600.0  # for one block, on a machine that does much else
PORTS = ("8443", "11112", "9108")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty folder with a study in it; what was started there and still runs is ended."""
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o700)
    sample.write(folder / "study", shape=sample.Shape(slices=6, size=64))
    yield folder
    for name in ("gateway.pid", "platform.pid"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(int((folder / name).read_text()), signal.SIGKILL)


def blocks() -> list[tuple[str, str]]:
    """What is special about each block, and its text on ports that are free here."""
    instead = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    return BLOCK.findall(re.sub("|".join(PORTS), lambda port: instead[port[0]], PAGE))


def run(text: str, folder: Path, **environment: str) -> str:
    log = folder.parent / "said"
    with log.open("wb") as said:  # not a pipe: what runs on in the background would keep it open
        done = subprocess.run(
            ["sh", "-eu"],
            input=text.encode(),
            cwd=folder,
            stdout=said,
            stderr=said,
            check=False,
            timeout=MOST_SECONDS,
            env={**os.environ, **environment},
        )
    told = log.read_text(encoding="utf-8", errors="replace")
    logs = "".join(one.read_text() for one in sorted(folder.glob("*.log")))
    assert done.returncode == 0, f"{text}\n{told}\n{logs[-3000:]}"
    return told


def walk(place: Path, **environment: str) -> None:
    """All blocks but the installing."""
    count = sum(one.is_file() for one in (place / "study").rglob("*"))
    for mark, text in blocks():
        if mark == "install":
            continue
        # A trial of the whole length belongs to benchmarks; the command is the same.
        told = run(
            text.replace("--apply", "--apply --minutes 0.2 --no-check") if mark == "tune" else text,
            place,
            **environment,
        )
        if "penstock send" in text:
            status = penstock("status", "--json", "--config", str(place / "gateway.toml"))
            travel.wait("receipts", lambda: _deleted(place) == count, MOST_SECONDS)
            assert status.document["running"] is True
        if "page.html" in text:
            assert f"penstock_received_objects_total {count}" in told
            assert "idle: nobody sends" in told and "refreshed every" in (place / "page.html").read_text()
        if mark == "tune":
            assert "workers" in told
    assert _deleted(place) == count


def _deleted(place: Path) -> int:
    return int(
        penstock("status", "--json", "--config", str(place / "gateway.toml"))
        .document["ever"]
        .get("deleted", 0)
    )


def test_the_page_is_taken_whole() -> None:
    marks = [mark for mark, _ in blocks()]
    assert len(marks) == PAGE.count("<!-- start") == 11
    assert [mark for mark in marks if mark] == ["install", "tune"]


@pytest.mark.timeout(1200)
def test_a_newcomer_gets_from_the_first_study_to_a_tuned_gateway_that_is_watched(place: Path) -> None:
    walk(place, PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.slow
@pytest.mark.skipif(
    "PENSTOCK_CLEAN_MACHINE" not in os.environ, reason="builds everything once more: PENSTOCK_CLEAN_MACHINE=1"
)
@pytest.mark.timeout(2400)
def test_on_a_clean_machine_the_page_is_all_that_is_needed(place: Path, tmp_path: Path) -> None:
    """Nothing of this environment is on the PATH; Penstock is built and installed from a copy of what is in the repository."""
    checkout = tmp_path / "checkout"
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in filter(None, listed):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    clean = {"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": ""}
    ((_, install),) = [one for one in blocks() if one[0] == "install"]
    assert run(install, checkout, **clean).startswith("penstock ")
    walk(place, **clean | {"PATH": f"{tmp_path}/penstock/bin:{clean['PATH']}"})
