"""`[enrolment]` gives what [identity] and [uploader] need, and takes nothing away from who gives it himself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.config import load_gateway
from engine.config.enrolment import NOT_ENROLLED
from engine.errors import ConfigError

SMALLEST = '[spool]\npath = "spool"\n[enrolment]\n'


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "gateway.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def enrolled(folder: Path, url: object = "https://platform.example.org:8443") -> None:
    folder.mkdir()
    (folder / "platform.json").write_text(json.dumps({"url": url}), encoding="utf-8")
    (folder / "gateway.pem").touch()


def test_an_enrolled_gateway_needs_a_spool_and_nothing_else(
    write: Callable[[str], Path], tmp_path: Path
) -> None:
    enrolled(tmp_path / "identity")
    config = load_gateway(write(SMALLEST))
    assert config.enrolment is not None and config.enrolment.is_enrolled
    assert config.identity.secret_file is None
    assert config.uploader is not None
    assert config.uploader.url == "https://platform.example.org:8443"
    assert config.uploader.certificate == config.uploader.key == tmp_path / "identity" / "gateway.pem"
    assert config.uploader.ca == tmp_path / "identity" / "ca.pem"


def test_the_folder_may_be_another_one(write: Callable[[str], Path], tmp_path: Path) -> None:
    enrolled(tmp_path / "elsewhere")
    config = load_gateway(write(SMALLEST + 'folder = "elsewhere"\n'))
    assert config.uploader is not None
    assert config.uploader.ca == tmp_path / "elsewhere" / "ca.pem"


def test_what_is_given_wins(write: Callable[[str], Path], tmp_path: Path) -> None:
    enrolled(tmp_path / "identity")
    text = SMALLEST + '[identity]\nsecret_file = "mine"\n[uploader]\nurl = "https://proxy.example.org"\n'
    config = load_gateway(write(text))
    assert config.identity.secret_file == tmp_path / "mine"
    assert config.uploader is not None
    assert config.uploader.url == "https://proxy.example.org"
    assert config.uploader.ca == tmp_path / "identity" / "ca.pem"


@pytest.mark.parametrize("url", [None, 7, ["https://x"]])
def test_before_the_enrolment_the_file_loads_and_leads_nowhere(
    write: Callable[[str], Path], tmp_path: Path, url: object
) -> None:
    if url is not None:
        enrolled(tmp_path / "identity", url)
        (tmp_path / "identity" / "gateway.pem").unlink()
    config = load_gateway(write(SMALLEST))
    assert config.uploader is not None
    assert config.uploader.url == NOT_ENROLLED
    assert config.enrolment is not None and not config.enrolment.is_enrolled


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SMALLEST + "folder = 7\n", "enrolment.folder is 7; expected a path, as text"),
        (SMALLEST + 'folder = ""\n', "enrolment.folder is empty; expected a path, as text"),
        (SMALLEST + 'foldr = "x"\n', "unknown key enrolment.foldr"),
        ("enrolment = 5\n" + SMALLEST.replace("[enrolment]\n", ""), "enrolment is 5; expected a table"),
        (SMALLEST + "[uploader]\nurl = 5\n", "uploader.url is 5; expected text"),
        ("identity = 5\n" + SMALLEST, "identity is 5; expected a table"),
        ('[spool]\npath = "spool"\n', "the table [identity] is missing; expected a table with secret_file"),
    ],
)
def test_a_wrong_key_is_named(write: Callable[[str], Path], text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_gateway(write(text))
    assert told in str(caught.value)
