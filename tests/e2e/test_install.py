"""install.sh into a folder: users, units, configurations; and again, which keeps what operators changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from engine.config import load_gateway, load_platform

ROOT = Path(__file__).resolve().parents[2]
INSTALL = ROOT / "scripts" / "deploy" / "install.sh"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as installing does")


def install(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(INSTALL), *words], capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The root folder of a machine on which nothing is installed."""
    (tmp_path / "etc").mkdir()
    return tmp_path


def owner(path: Path, machine: Path) -> str:
    """The user's name as that machine knows it."""
    users = [line.split(":") for line in (machine / "etc/passwd").read_text().splitlines()]
    return {int(one[2]): one[0] for one in users}.get(path.stat().st_uid, "root")


def test_everything_has_its_place_its_owner_and_its_rights(machine: Path) -> None:
    told = install("--root", str(machine), "--no-venv")
    assert told.returncode == 0, told.stderr
    for role, user in (("gateway", "penstock"), ("platform", "penstock-platform")):
        unit = (machine / f"usr/lib/systemd/system/penstock-{role}.service").read_text()
        assert f"User={user}\n" in unit
        assert (machine / f"etc/penstock/{role}.toml").stat().st_mode & 0o777 == 0o644
        assert (machine / f"etc/penstock/{role}.example.toml").read_bytes() == (
            ROOT / f"engine/config/{role}.toml"
        ).read_bytes()
    state = machine / "var/lib/penstock/gateway"
    assert (owner(state, machine), state.stat().st_mode & 0o777) == ("penstock", 0o700)
    assert (machine / "etc/credstore").stat().st_mode & 0o777 == 0o700
    assert "/usr/sbin/nologin" in (machine / "etc/passwd").read_text()
    assert (machine / "opt/penstock/docs/runbook.md").exists()
    load_gateway(machine / "etc/penstock/gateway.toml")
    load_platform(machine / "etc/penstock/platform.toml")


def test_a_second_run_changes_nothing_and_an_upgrade_keeps_the_configuration(machine: Path) -> None:
    assert install("--root", str(machine), "--no-venv", "gateway").returncode == 0
    again = install("--root", str(machine), "--no-venv", "gateway")
    assert (again.returncode, again.stdout) == (0, "")
    config = machine / "etc/penstock/gateway.toml"
    unit = machine / "usr/lib/systemd/system/penstock-gateway.service"
    config.write_text("# mine\n")
    unit.write_text("# of an older version\n")
    upgraded = install("--root", str(machine), "--no-venv", "gateway")
    assert upgraded.stdout.splitlines() == [
        "wrote /usr/lib/systemd/system/penstock-gateway.service",
        "kept /etc/penstock/gateway.toml",
    ]
    assert config.read_text() == "# mine\n"
    assert "ExecStart" in unit.read_text()
    assert not (machine / "etc/penstock/platform.toml").exists(), "only what was asked for"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--root"], "--root needs a folder"),
        (["--root", "/no/such/folder"], "/no/such/folder: no such folder"),
        (["--rot", "/tmp"], "--rot: unknown"),
        (["gatway"], "gatway: unknown"),
        (["--python", "no-such-python"], "no no-such-python: apt-get install python3"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(machine: Path, words: list[str], complaint: str) -> None:
    root = [] if "--root" in words else ["--root", str(machine)]
    told = install(*root, *words)
    assert told.returncode == 2
    assert complaint in told.stderr and "Traceback" not in told.stderr


def test_an_interpreter_that_the_units_cannot_see_is_refused(machine: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho /tmp/versions/bin/python3.11\n")
    python.chmod(0o755)
    told = install("--root", str(machine), "--python", str(python))
    assert told.returncode == 2
    assert "/tmp/versions/bin/python3.11" in told.stderr and "--python /usr/bin/python3" in told.stderr
    assert not (machine / "opt/penstock/venv").exists()
