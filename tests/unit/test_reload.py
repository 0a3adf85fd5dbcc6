"""What a changed configuration asks of a running gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import GatewayConfig, load_gateway
from engine.errors import ConfigError
from engine.spool import workers
from engine.supervisor.reload import difference

BASE = """
[spool]
path = "spool"
[pool]
workers = 2
[passes]
quiet_seconds = 1.0
[identity]
secret_file = "secret"
[uploader]
url = "https://platform:1"
certificate = "certificate"
key = "key"
ca = "ca"
"""


def read(folder: Path, text: str = BASE) -> GatewayConfig:
    path = folder / "gateway.toml"
    path.write_text(text)
    return load_gateway(path)


@pytest.mark.parametrize(
    ("before", "after", "restart", "count"),
    [
        ("workers = 2", "workers = 3", [], 3),
        ("workers = 2", "workers = 3\nmax_bytes_in_flight = 1000", ["coordinator"], 3),
        ("workers = 2", "max_bytes_in_flight = 1000", ["coordinator"], None),
        ("quiet_seconds = 1.0", "quiet_seconds = 2.0", ["coordinator"], None),
        ('ca = "ca"', 'ca = "ca"\n[receiver]\nport = 105', ["receiver"], None),
        ('ca = "ca"', 'ca = "ca"\n[log]\nlevel = "debug"', ["receiver", "coordinator", "uploader"], None),
    ],
)
def test_only_who_reads_what_changed_is_restarted(
    tmp_path: Path, before: str, after: str, restart: list[str], count: int | None
) -> None:
    assert before in BASE
    change = difference(read(tmp_path), read(tmp_path, BASE.replace(before, after)))
    named = [role.name for role in change.restart]
    assert set(restart) <= set(named) and (named == [] or restart != [])
    assert change.workers == count


def test_an_unchanged_configuration_lets_the_uploader_read_its_certificates_again(tmp_path: Path) -> None:
    change = difference(read(tmp_path), read(tmp_path))
    assert [role.name for role in change.restart] == ["uploader"] and change.workers is None


@pytest.mark.parametrize("section", ["[metrics]\nport = 9", "[spool]\nmax_bytes = 9"])
def test_what_cannot_change_is_refused_with_the_way_out(tmp_path: Path, section: str) -> None:
    changed = BASE.replace("[spool]\n", f"{section}\n") if "spool" in section else f"{BASE}{section}\n"
    with pytest.raises(ConfigError, match="cannot change under a running gateway; restart it"):
        difference(read(tmp_path), read(tmp_path, changed))


def test_the_number_that_was_asked_for_last_counts(tmp_path: Path) -> None:
    assert workers.asked(tmp_path) is None
    workers.ask(tmp_path, 4)
    workers.ask(tmp_path, 12)
    assert workers.asked(tmp_path) == 12
    assert [one.name for one in tmp_path.iterdir()] == ["workers"]


@pytest.mark.parametrize("content", [b"", b"many", b"-3", b"99999999999", b"\xff\xfe"])
def test_what_is_no_number_is_nobodys_word(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "workers").write_bytes(content)
    assert workers.asked(tmp_path) is None


def test_the_command_and_the_configuration_allow_the_same_numbers(tmp_path: Path) -> None:
    most = BASE.replace("workers = 2", f"workers = {workers.MOST}")
    assert read(tmp_path, most).pool.workers == workers.MOST
    with pytest.raises(ConfigError, match=f"from 1 to {workers.MOST}"):
        read(tmp_path, BASE.replace("workers = 2", f"workers = {workers.MOST + 1}"))
