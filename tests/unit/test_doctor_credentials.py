"""A service's credentials are there while it runs, and for its user alone: the doctor says so, and calls nothing unusable."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest

from engine.config.loader import load_gateway
from engine.doctor import credentials
from engine.doctor.finding import Level
from engine.doctor.settings import certificates, read_settings
from engine.pseudonymize.identity import HashSecret

NOW = datetime.datetime.now(datetime.UTC)
CONFIG = """
[spool]
path = "spool"
[receiver]
port = 0
[identity]
secret_file = "{folder}/penstock-gateway.service/hash-secret"
[uploader]
url = "https://localhost:1"
certificate = "client.pem"
key = "{folder}/penstock-gateway.service/gateway.key"
ca = "ca.pem"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(credentials, "CREDENTIALS", tmp_path / "credentials")
    (tmp_path / "gateway.toml").write_text(CONFIG.format(folder=tmp_path / "credentials"))
    return tmp_path


def test_credentials_of_a_stopped_service_are_a_note(place: Path) -> None:
    config = load_gateway(place / "gateway.toml")
    settings, found = read_settings(config)
    keys = [one for one in certificates(config, NOW) if one.where.endswith("gateway.key")]
    assert settings is not None
    for one in (*(one for one in found if "secret" in one.where), *keys):
        assert (one.level, one.code) == (Level.NOTE, "credential-unseen")
        assert "penstock-gateway.service" in one.what and "systemctl cat" in one.do
    assert len(keys) == 1


def test_credentials_that_can_be_read_are_read(place: Path) -> None:
    unit = place / "credentials" / "penstock-gateway.service"
    unit.mkdir(parents=True)
    HashSecret.generate().write(unit / "hash-secret")
    config = load_gateway(place / "gateway.toml")
    settings, found = read_settings(config)
    assert settings is not None and settings.key_id and "credential-unseen" not in {one.code for one in found}
    (unit / "hash-secret").write_text("short\n")
    assert [one.code for one in read_settings(config)[1]] == ["secret-unusable"]


def test_a_file_that_is_no_credential_and_is_missing_is_one_that_is_missing(tmp_path: Path) -> None:
    assert credentials.unseen("uploader.key", tmp_path / "gateway.key") is None
    assert credentials.unseen("uploader.key", Path(os.sep, "run", "credentials", "alone")) is None
