"""Where the master key comes from, and what is said when it does not come or is another one."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from engine.config.platform import PlatformServerConfig
from engine.errors import ConfigError
from engine.platform import master_key
from engine.platform.database import Database
from engine.platform.keys import MasterKey
from engine.platform.master_key import (
    CommandSource,
    CredentialSource,
    FileSource,
    MasterKeySource,
    must_be_in_force,
    source_of,
)

pytest_plugins = ("tests.support.databases",)

KEY = "5a" * 32
ID = MasterKey(bytes.fromhex(KEY)).key_id


def settings(**given: object) -> PlatformServerConfig:
    nowhere = Path("/nowhere")
    return PlatformServerConfig(
        certificate=nowhere,
        key=nowhere,
        client_ca=nowhere,
        storage=nowhere,
        **given,  # type: ignore[arg-type]
    )


def program(folder: Path, text: str) -> Path:
    path = folder / "fetch-key"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(stat.S_IRWXU)
    return path


def test_the_configuration_names_exactly_one_source(tmp_path: Path) -> None:
    assert source_of(settings(master_key_file=tmp_path / "k")) == FileSource(tmp_path / "k")
    assert isinstance(source_of(settings(master_key_credential="key")), CredentialSource)
    assert source_of(settings(master_key_command=("/bin/x", "y"))) == CommandSource(("/bin/x", "y"))
    wrong: list[dict[str, object]] = [
        {},
        {"master_key_file": tmp_path, "master_key_credential": "key"},
        {"master_key_credential": "../key"},
        {"master_key_command": ("fetch-key",)},
    ]
    for given in wrong:
        with pytest.raises(ValueError, match="master_key"):
            settings(**given)


def test_a_file_a_credential_and_a_program_give_the_same_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text(KEY + "\n")
    (tmp_path / "file").chmod(0o600)
    command = program(tmp_path, f"import sys; print('{KEY}' if sys.argv[1:] == ['--name', 'a b'] else 'no')")
    sources: list[MasterKeySource] = [
        FileSource(tmp_path / "file"),
        CredentialSource("file", {"CREDENTIALS_DIRECTORY": str(tmp_path)}),
        CommandSource((str(command), "--name", "a b")),
    ]
    assert [source.load().key_id for source in sources] == [ID] * 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import sys; sys.exit(3)", "ended with 3"),
        ("print('not a key, but secret')", "64 hexadecimal digits"),
        ("", "64 hexadecimal digits"),
        (f"print('{KEY}'); print('{KEY}')", "64 hexadecimal digits"),
        ("import time; time.sleep(60)", "took more than"),
    ],
    ids=["fails", "text", "nothing", "two", "hangs"],
)
def test_a_program_that_gives_no_key_is_named_and_its_output_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    if told == "took more than":  # the others may take their time to start
        monkeypatch.setattr(master_key, "COMMAND_SECONDS", 1.0)
    with pytest.raises(ConfigError, match=told) as caught:
        CommandSource((str(program(tmp_path, text)),)).load()
    assert "fetch-key" in caught.value.message
    assert "secret" not in str(caught.value) and KEY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="cannot be run"):
        CommandSource(("/nowhere/fetch-key",)).load()


def test_a_credential_that_systemd_did_not_give_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LoadCredential"):
        CredentialSource("key", {}).load()
    with pytest.raises(ConfigError, match="no credential key"):
        CredentialSource("key", {"CREDENTIALS_DIRECTORY": str(tmp_path)}).load()


def test_the_first_master_key_is_noted_and_another_one_is_refused(database: Database) -> None:
    first, other = MasterKey(bytes(32)), MasterKey(bytes.fromhex(KEY))
    must_be_in_force(database, first)
    must_be_in_force(database, first)
    with pytest.raises(ConfigError, match=f"wrapped by {first.key_id}"):
        must_be_in_force(database, other)
