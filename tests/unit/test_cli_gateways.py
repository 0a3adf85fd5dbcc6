"""`penstock platform token …`, `gateway …`, and `penstock enroll` before it speaks to anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli.entry import penstock
from engine.config import load_platform
from engine.enrolment.token import Token
from engine.errors import ConfigError, PenstockError
from engine.platform.administration import administration
from engine.platform.certificates import make_files
from engine.platform.keys import MasterKey
from tests.support.enrolling import named


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A platform's configuration, with one institution."""
    files = make_files(tmp_path / "tls", ["localhost"])
    MasterKey.write_new(tmp_path / "master-key")
    path = tmp_path / "platform.toml"
    path.write_text(
        f'[platform]\ncertificate = "{files.server_certificate}"\nkey = "{files.server_key}"\n'
        f'client_ca = "{files.ca}"\nstorage = "storage"\nmaster_key_file = "master-key"\n[web]\n',
        encoding="utf-8",
    )
    with administration(load_platform(path)) as room:
        room.institutions.add("st-marys")
    return path


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(penstock, list(arguments), input=stdin, standalone_mode=False)


def told(*arguments: str) -> dict[str, list[dict[str, object]]]:
    done = run(*arguments, "--json")
    assert done.exception is None, done.exception
    found: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return found


def test_a_token_is_shown_once_and_listed_without_itself(config: Path) -> None:
    made = run("platform", "token", "new", "st-marys", "--gateway", "mri-2", "--config", str(config))
    text = made.stdout.strip()
    assert Token.parse(text).text == text and "penstock enroll" in made.stderr
    listed = run("platform", "token", "list", "--config", str(config)).stdout
    assert "mri-2" in listed and "open" in listed and text not in listed
    rows = told("platform", "token", "list", "st-marys", "--config", str(config))["tokens"]
    assert [(row["gateway"], row["state"]) for row in rows] == [("mri-2", "open")]
    assert text not in json.dumps(rows)


def test_a_withdrawn_token_is_said_to_be(config: Path) -> None:
    run("platform", "token", "new", "st-marys", "--config", str(config))
    rows = told("platform", "token", "list", "--config", str(config))["tokens"]
    token_id = str(rows[0]["token_id"])
    assert (
        run("platform", "token", "withdraw", "st-marys", token_id, "--config", str(config)).return_value == 0
    )
    again = run("platform", "token", "withdraw", "st-marys", token_id, "--config", str(config))
    assert again.return_value == 1 and "no such token" in again.stderr


def test_gateways_are_listed_and_revoked_by_name(config: Path) -> None:
    with administration(load_platform(config)) as room:
        gateways = room.gateways()
        token = Token.parse(gateways.new_token("st-marys", room.operator))
        gateways.enrol(token.secret, named("mri-2"))
    rows = told("platform", "gateway", "list", "--config", str(config))["gateways"]
    assert [(row["name"], row["epoch"], row["state"]) for row in rows] == [("mri-2", 1, "enrolled")]
    shown = run("platform", "gateway", "list", "st-marys", "--config", str(config)).stdout
    assert "mri-2" in shown and "never" in shown
    assert (
        run("platform", "gateway", "revoke", "st-marys", "mri-2", "--config", str(config)).return_value == 0
    )
    assert (
        run("platform", "gateway", "revoke", "st-marys", "mri-9", "--config", str(config)).return_value == 1
    )
    rows = told("platform", "gateway", "list", "--config", str(config))["gateways"]
    assert rows[0]["state"] == "revoked"


def test_an_institution_that_is_not_there_and_a_name_that_cannot_be_are_refused(config: Path) -> None:
    for arguments, code in (
        (("nobody",), "institution-unknown"),
        (("st-marys", "--gateway", "a b"), "gateway-name"),
    ):
        done = run("platform", "token", "new", *arguments, "--config", str(config))
        assert isinstance(done.exception, PenstockError) and done.exception.code == code


def test_a_token_for_longer_than_an_hour_is_a_usage_error(config: Path) -> None:
    done = run("platform", "token", "new", "st-marys", "--minutes", "61", "--config", str(config))
    assert done.exception is not None and "61" in str(done.exception)


def test_enrol_takes_the_token_from_standard_input_and_the_folder_from_the_configuration(
    tmp_path: Path,
) -> None:
    gateway = tmp_path / "gateway.toml"
    gateway.write_text('[spool]\npath = "spool"\n[enrolment]\nfolder = "mine"\n', encoding="utf-8")
    done = run("enroll", "https://localhost:1", "--config", str(gateway), stdin="not a token\n")
    assert isinstance(done.exception, ConfigError) and done.exception.code == "token-malformed"
    (tmp_path / "mine").mkdir(mode=0o700)
    for name in ("gateway.pem", "platform.json"):
        (tmp_path / "mine" / name).touch()
    done = run("enroll", "https://localhost:1", Token.new(bytes(32)).text, "--config", str(gateway))
    assert isinstance(done.exception, ConfigError) and done.exception.code == "already-enrolled"


def test_enrol_says_which_section_a_configuration_lacks(tmp_path: Path) -> None:
    gateway = tmp_path / "gateway.toml"
    gateway.write_text(
        '[spool]\npath = "s"\n[identity]\nsecret_file = "x"\n[uploader]\nurl = "https://p"\n'
        'certificate = "c"\nkey = "k"\nca = "a"\n',
        encoding="utf-8",
    )
    done = run("enroll", "https://localhost:1", "T", "--config", str(gateway))
    assert isinstance(done.exception, ConfigError) and "[enrolment]" in str(done.exception)
    done = run("enroll", "https://localhost:1", "T", "--config", str(gateway), "--folder", "x")
    assert done.exception is not None and "not both" in str(done.exception)
