"""What operators can get wrong, or find in their way: each real command says what, where, and the way out, and breaks nothing."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.demo.stage import HOST, Stage
from engine.dicom.sample import Shape, write
from engine.pseudonymize.identity import HashSecret
from tests.support import travel
from tests.support.cli import penstock
from tests.support.smalldisk import CannotMountError, small_tmpfs
from tests.unit.test_tuning import CONFIG

USAGE = 2
COUNTS = ("0", "10000")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    HashSecret.generate().write(tmp_path / "secret")
    path = tmp_path / "gateway.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(params=[1, 40])
def full(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk without room for the objects of a trial, or for those that are made."""
    try:
        with small_tmpfs(tmp_path / "full", request.param) as place:
            yield place
    except CannotMountError as error:
        pytest.skip(f"no small disk can be had here: {error}")


def test_tune_on_a_full_disk_names_the_disk_and_leaves_nothing_there(config: Path, full: Path) -> None:
    before = config.read_text()
    told = penstock("tune", "--config", str(config), "--work", str(full), "--minutes", "0.2", "--apply")
    assert told.code == USAGE and told.out == ""
    assert str(full) in told.err and "--work" in told.err and "Traceback" not in told.err
    assert list(full.iterdir()) == [] and config.read_text() == before


def test_tune_says_at_once_that_its_result_cannot_be_written(config: Path, full: Path) -> None:
    told = penstock("tune", "--config", str(config), "--svg", str(config.parent / "no" / "curve.svg"))
    assert told.code == USAGE and "curve.svg cannot be written" in told.err and "--svg" in told.err

    fixed = full / "gateway.toml"
    fixed.write_text(config.read_text())
    subprocess.run(["mount", "-o", "remount,ro", str(full)], check=True)
    told = penstock("tune", "--config", str(fixed), "--apply")
    assert told.code == USAGE and told.out == ""
    assert f"{fixed} cannot be written" in told.err and "leave out --apply" in told.err


@pytest.mark.parametrize("count", COUNTS)
def test_a_gateway_with_an_impossible_number_of_workers_does_not_start(scene: Stage, count: str) -> None:
    path = scene.folder / "gateway.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text + f"\n[pool]\nworkers = {count}\n" if "[pool]" not in text else text, encoding="utf-8"
    )
    told = penstock("up", "--config", str(path))
    assert told.code == USAGE
    assert f"pool.workers is {count}" in told.err and "from 1 to 256" in told.err


@pytest.mark.parametrize("count", COUNTS)
def test_a_batch_with_an_impossible_number_of_workers_does_nothing(tmp_path: Path, count: str) -> None:
    write(tmp_path / "in", 1, Shape(slices=1, size=16))
    told = penstock("batch", str(tmp_path / "in"), str(tmp_path / "out"), "--workers", count)
    assert told.code == USAGE
    assert "--workers" in told.err and count in told.err and "256" in told.err
    assert not (tmp_path / "out").exists()


def test_a_metrics_port_in_use_is_named_and_the_gateway_does_not_start_unwatched(scene: Stage) -> None:
    path = scene.folder / "gateway.toml"
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        path.write_text(f'{path.read_text()}\n[metrics]\nhost = "{HOST}"\nport = {port}\n')
        scene.gateway.start()
        assert scene.gateway.wait(travel.PATIENCE) == USAGE
    said = "\n".join(scene.gateway.tail())
    assert f"cannot listen on {HOST}:{port} (metrics.port)" in said and "change metrics.port" in said
    assert "role-started" not in said


@pytest.mark.parametrize("terminal", ["dumb", "xterm"])
def test_top_draws_on_a_terminal_alone(config: Path, scene: Stage, terminal: str) -> None:
    scene.start_gateway()
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "engine.cli", "top", "--config", str(scene.folder / "gateway.toml")]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": terminal}
    )
    os.close(theirs)
    said = b""
    until = time.monotonic() + travel.PATIENCE
    asked = False
    while time.monotonic() < until:
        try:
            said += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if b"q ends" in said and not asked:
            asked = True
            os.write(ours, b"q")
    os.close(ours)
    code = process.wait(travel.PATIENCE)
    if terminal == "dumb":
        assert code == USAGE and b"no terminal that could be drawn on" in said and b"--once" in said
    else:
        assert code == 0 and b"Penstock" in said and b"Traceback" not in said
