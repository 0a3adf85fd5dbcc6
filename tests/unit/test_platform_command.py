"""`penstock platform` on the command line: what it makes, and what it says when it cannot."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from tests.support.cli import penstock


def make(folder: Path) -> None:
    """Certificates and a master key in `folder`."""
    assert penstock("platform", "certificates", str(folder / "tls"), "--host", "localhost").code == 0
    assert penstock("platform", "master-key", str(folder / "master-key")).code == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which everything is right."""
    folder = tmp_path_factory.mktemp("platform")
    make(folder)
    return folder


def config(folder: Path, **changes: str | int) -> str:
    """A configuration in `folder`; its path."""
    values = {
        "port": 0,
        "certificate": "tls/server.pem",
        "key": "tls/server.key",
        "client_ca": "tls/ca.pem",
        "storage": "storage",
        "master_key_file": "master-key",
        **changes,
    }
    path = folder / "platform.toml"
    lines = ["[platform]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_certificates_and_master_key_are_made_and_told(tmp_path: Path) -> None:
    told = penstock(
        "platform", "certificates", str(tmp_path / "tls"), "--host", "localhost", "--json"
    ).document
    assert stat.S_IMODE(Path(told["server_key"]).stat().st_mode) == 0o600
    made = penstock("platform", "master-key", str(tmp_path / "key"), "--json")
    assert len(made.document["key_id"]) == 8
    assert (tmp_path / "key").read_text().strip() not in made.out


def test_nothing_is_overwritten(made: Path) -> None:
    again = penstock("platform", "certificates", str(made / "tls"), "--host", "localhost")
    assert (again.code, "exists" in again.err) == (2, True)
    assert penstock("platform", "master-key", str(made / "tls" / "ca.key")).code == 2


@pytest.mark.parametrize(
    "arguments",
    [["platform"], ["platform", "certificates", "x"], ["platform", "--config", "there-is-none.toml"]],
)
def test_what_is_missing_on_the_command_line_is_a_usage_error(arguments: list[str]) -> None:
    assert penstock(*arguments).code == 2


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("certificate", "tls/none.pem", "none.pem"),
        ("certificate", "tls/client.pem", "client.pem"),
        ("client_ca", "tls/ca.key", "ca.key"),
        ("master_key_file", "none", "master key"),
        ("master_key_file", "tls/ca.key", "64 hexadecimal digits"),
        ("storage", "tls/ca.pem", "storage folder"),
        ("host", "no.such.host.invalid", "no.such.host.invalid"),
    ],
)
def test_what_cannot_be_used_is_named(made: Path, name: str, value: str, named: str) -> None:
    ran = penstock("platform", "--config", config(made, **{name: value}))
    assert ran.code == 2
    assert named in ran.err


def test_a_port_in_use_is_named(made: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = penstock("platform", "--config", config(made, port=port))
    assert ran.code == 2
    assert str(port) in ran.err
    assert "platform.port" in ran.err
