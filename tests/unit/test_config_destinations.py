"""[[destination]]: read strictly, with errors that name the key; who goes where and by which profile."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.config import (
    DicomDestination,
    FolderDestination,
    GatewayConfig,
    PenstockDestination,
    S3Destination,
    StowDestination,
    load_gateway,
)
from engine.config.destinations import files_of, kind_of, place_of
from engine.errors import ConfigError
from engine.supervisor.summary import opening
from tests.unit.test_config import GATEWAY, shipped, uncommented, with_tables

ALONE = GATEWAY[: GATEWAY.index("[uploader]")]
PEERS = """
[[receiver.peer]]
ae_title = "*"
network = "10.0.0.0/8"
"""
KINDS = {
    "penstock": 'url = "https://p.example.org"\ncertificate = "c"\nkey = "k"\nca = "a"',
    "stow": 'url = "https://s.example.org/dicom-web"',
    "dicom": 'host = "ws"\nport = 104\ncalled_ae_title = "WS"',
    "folder": 'path = "export"',
    "s3": 'bucket = "lake"',
}
CLASSES: dict[str, type[msgspec.Struct]] = {
    "penstock": PenstockDestination,
    "stow": StowDestination,
    "dicom": DicomDestination,
    "folder": FolderDestination,
    "s3": S3Destination,
}


def destination(kind: str, name: str = "other", more: str = "") -> str:
    return f'[[destination]]\nkind = "{kind}"\nname = "{name}"\n{KINDS.get(kind, "")}\n{more}\n'


def read(folder: Path, text: str) -> GatewayConfig:
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return load_gateway(path)


def test_the_uploader_alone_is_the_destination_platform(tmp_path: Path) -> None:
    config = read(tmp_path, GATEWAY + "requests_in_flight = 7")
    [one] = config.every_destination()
    assert isinstance(one, PenstockDestination)
    assert (one.name, kind_of(one), one.requests_in_flight) == ("platform", "penstock", 7)
    assert config.ways == {"": ("default", "platform")}
    assert dict(files_of(one))["uploader.ca"] == Path("/etc/ca.crt")


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read_and_its_paths_count_from_the_file(tmp_path: Path, kind: str) -> None:
    config = read(tmp_path, ALONE + destination(kind, more='profile = "ours.toml"'))
    [one] = config.every_destination()
    assert type(one) is CLASSES[kind] and kind_of(one) == kind
    assert config.ways == {"": (str(tmp_path / "ours.toml"), "other")}
    assert place_of(one) in opening(config, {}, 0)
    if isinstance(one, FolderDestination):
        assert one.path == tmp_path / "export"


def test_a_route_goes_before_a_destination_and_that_before_the_gateway(tmp_path: Path) -> None:
    route = '[[route]]\ncalling_ae_title = "{}"\n{}\n'
    config = read(
        tmp_path,
        GATEWAY
        + PEERS
        + destination("folder", "export", 'profile = "research"')
        + destination("stow", "archive")
        + route.format("A", 'destination = "export"')
        + route.format("B", 'destination = "export"\nprofile = "default"')
        + route.format("C", 'destination = "archive"')
        + route.format("D", 'profile = "research"'),
    )
    assert config.ways == {
        "A": ("research", "export"),
        "B": ("default", "export"),
        "C": ("default", "archive"),
        "D": ("research", "platform"),
        "": ("default", "platform"),
    }
    told = opening(config, {}, 0)
    assert "by research what A sends, for export" in told and "for platform what nobody's route" in told


def test_default_makes_another_destination_than_the_uploader_everybodys(tmp_path: Path) -> None:
    text = destination("folder", "export", "default = true\nprofile = 'research'")
    config = read(tmp_path, GATEWAY + destination("stow", "archive") + text)
    assert config.ways == {"": ("research", "export")}
    assert [one.name for one in config.every_destination()] == ["platform", "archive", "export"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "uploader is missing: say where objects go"),
        (destination("ftp"), 'destination[0].kind is "ftp"'),
        ('[[destination]]\nname = "x"', "destination[0].kind is missing"),
        ('[[destination]]\nkind = "folder"\npath = "x"', "destination[0].name is missing"),
        ('[[destination]]\nkind = 7\nname = "x"', "destination[0].kind is 7"),
        ("destination = 7", "destination is 7"),
        ("destination = [7]", "destination[0] is 7"),
        (destination("folder", more="paht = 1"), "unknown key destination[0].paht"),
        (destination("folder", more='url = "x"'), "unknown key destination[0].url"),
        ('[[destination]]\nkind = "folder"\nname = "x"', "destination[0].path is missing"),
        (destination("folder", "Export"), "destination[0].name must have 1 to 32 of a-z"),
        (destination("folder", "-x"), "destination[0].name must have"),
        (destination("folder", "a" * 33), "destination[0].name must have"),
        (destination("folder", "../x"), "destination[0].name must have"),
        (destination("folder") * 2, "destination[1].name is that of destination[0] already"),
        (destination("folder", "a") + destination("s3", "b"), "destination[0].default: one of several"),
        (
            destination("folder", "a", "default = true") + destination("s3", "b", "default = true"),
            "destination[1].default: destination[0] is the default already",
        ),
        (
            "".join(destination("s3", f"d{number}") for number in range(33)),
            "destination: there may be at most",
        ),
        (
            destination("folder", more="backoff_first = 5\nbackoff_max = 1"),
            "destination[0].backoff_max must not",
        ),
        (destination("folder", more="writers = 0"), "destination[0].writers is 0"),
        (destination("penstock").replace("https:", "http:"), "destination[0].url must begin with https://"),
        (destination("penstock", more='receipt_key = "XY"'), "destination[0].receipt_key must have 64"),
        (destination("stow").replace("https:", "http:"), "destination[0].url must begin with https://"),
        (
            destination("stow").replace("https://", "https://me:secret@"),
            "destination[0].url must have no user",
        ),
        (
            destination("stow", more="plain_http = true").replace("https:", "http:"),
            "destination[0].url begins with http:// and leads to another machine",
        ),
        (destination("stow", more='certificate = "c"'), "destination[0].key is missing beside certificate"),
        (destination("stow", more='key = "c"'), "destination[0].certificate is missing beside key"),
        (
            destination("stow", more='username = "u"'),
            "destination[0].password_file is missing beside username",
        ),
        (
            destination("stow", more='username = "a:b"\npassword_file = "p"'),
            "destination[0].username must not be empty and must have no colon",
        ),
        (
            destination("stow", more='username = "a"\npassword_file = "p"\ntoken_file = "t"'),
            "destination[0].token_file cannot stand beside username",
        ),
        (destination("dicom", more="tls = true"), "destination[0].ca is missing: with tls"),
        (destination("dicom", more='ca = "x"'), "destination[0].ca needs tls = true"),
        (
            destination("dicom").replace('"WS"', '"SEVENTEEN_LETTERS"'),
            "destination[0].called_ae_title must have 1 to 16",
        ),
        (
            destination("dicom", more='calling_ae_title = "A\\\\B"'),
            "destination[0].calling_ae_title may have",
        ),
        (destination("dicom").replace("104", "0"), "destination[0].port is 0"),
        (destination("s3").replace("lake", "La_ke"), "destination[0].bucket must have 3 to 63"),
        (destination("s3", more='prefix = "a/../b"'), "destination[0].prefix may have"),
        (destination("s3", more='endpoint = "https://e/x"'), "destination[0].endpoint must be a host alone"),
        (
            destination("s3", more='endpoint = "http://127.0.0.1"'),
            "destination[0].endpoint must begin with https",
        ),
        (
            destination("s3", more='endpoint = "http://10.0.0.1"\nplain_http = true'),
            "destination[0].endpoint begins with http:// and leads",
        ),
    ],
)
def test_a_wrong_destination_is_named(tmp_path: Path, text: str, says: str) -> None:
    # A value of the whole file has to stand before its tables.
    whole = text + ALONE if text.startswith("destination =") else ALONE + text
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, whole)
    assert f"gateway.toml: {says}" in str(caught.value)
    assert "secret@" not in str(caught.value)


def test_the_name_of_the_uploader_cannot_be_given_again(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"destination\[0\].name is that of \[uploader\] already"):
        read(tmp_path, GATEWAY + destination("folder", "platform"))
    assert read(tmp_path, ALONE + destination("folder", "platform")).default_destination == "platform"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_plain_http_goes_to_this_machine_when_it_is_asked_for(tmp_path: Path, host: str) -> None:
    text = destination("stow", more="plain_http = true").replace(
        "https://s.example.org", f"http://{host}:8042"
    )
    [one] = read(tmp_path, ALONE + text).every_destination()
    assert isinstance(one, StowDestination) and one.url.startswith("http://")


def test_the_example_shows_the_defaults_of_every_kind() -> None:
    shown: list[dict[str, Any]] = tomllib.loads(uncommented(with_tables(shipped("gateway.toml"))))[
        "destination"
    ]
    assert {table["kind"] for table in shown} == set(CLASSES)
    for table in shown:
        for one in msgspec.structs.fields(CLASSES[table["kind"]]):
            if one.default not in (None, msgspec.NODEFAULT):
                assert table[one.encode_name] == one.default, (table["kind"], one.name)
