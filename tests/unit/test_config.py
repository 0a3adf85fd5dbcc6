"""A configuration is read whole and frozen, or refused with the file, the key, and what may stand there."""

from __future__ import annotations

import pickle
import re
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.config import (
    GatewayConfig,
    PassesConfig,
    PeerConfig,
    PlatformConfig,
    SpoolConfig,
    UploaderConfig,
    load_gateway,
    load_platform,
)
from engine.errors import ConfigError

GATEWAY = """
[spool]
path = "spool"
[identity]
secret_file = "hash-secret"
[uploader]
url = "https://platform.example.org/dicom-web"
certificate = "gateway.crt"
key = "gateway.key"
ca = "/etc/ca.crt"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "gateway.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def shipped(name: str) -> str:
    return files("engine.config").joinpath(name).read_text(encoding="utf-8")


def uncommented(text: str) -> str:
    """The example with every default switched on."""
    return re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE)


def with_tables(text: str) -> str:
    """The example with the tables that it only suggests."""
    return re.sub(r"^# (?=#?\w+ = |\[)", "", text, flags=re.MULTILINE)


def test_the_smallest_configuration_has_every_default(write: Callable[[str], Path], tmp_path: Path) -> None:
    config = load_gateway(write(GATEWAY))
    assert config.spool == SpoolConfig(path=tmp_path / "spool")
    assert (config.spool.high_water, config.spool.low_water, config.spool.durability) == (0.85, 0.7, "fsync")
    assert (config.receiver.port, config.receiver.ae_title, config.receiver.max_pdu) == (
        11112,
        "PENSTOCK",
        131072,
    )
    assert config.receiver.peers == ()
    assert config.passes == PassesConfig(quiet_seconds=60.0, cap_seconds=86400)
    assert (config.pool.workers, config.pool.max_bytes_in_flight) == (2, 268435456)
    assert (config.profile.name, config.identity.issuer, config.log.level) == ("default", False, "info")
    assert (config.metrics.host, config.metrics.port) == ("127.0.0.1", 0)


def test_relative_paths_count_from_the_file_and_absolute_ones_stay(
    write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(GATEWAY + '[profile]\nname = "ours/research.toml"\n')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = load_gateway("../gateway.toml")
    assert config.identity.secret_file is not None
    assert config.identity.secret_file.resolve() == tmp_path / "hash-secret"
    assert config.identity.secret_file.is_absolute()
    assert config.uploader is not None
    assert config.uploader.ca == Path("/etc/ca.crt")
    assert Path(config.profile.name).is_absolute()
    assert Path(config.profile.name).resolve() == tmp_path / "ours" / "research.toml"


def test_a_configuration_is_frozen_and_reaches_other_processes(write: Callable[[str], Path]) -> None:
    config = load_gateway(write(GATEWAY + '[[receiver.peer]]\nae_title = "PACS"\nnetwork = "10.0.0.0/8"\n'))
    with pytest.raises(AttributeError):
        config.receiver.port = 1  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ("[receiver]\nprot = 1", ["receiver.prot", "did you mean port?", "max_pdu"]),
        ("[recever]\nport = 1", ["recever", "did you mean receiver?", "uploader"]),
        ("[receiver]\nzzz = 1", ["receiver.zzz", "[receiver] may have host, port"]),
        ('[[receiver.peer]]\nae_tile = "X"', ["receiver.peer[0].ae_tile", "did you mean ae_title?"]),
        ("[receiver]\nport = 70000", ["receiver.port is 70000", "a whole number from 0 to 65535"]),
        ("[receiver]\nport = -1", ["receiver.port is -1", "from 0 to 65535"]),
        ("[receiver]\nport = 1.5", ["receiver.port is 1.5", "a whole number"]),
        ("[receiver]\nport = true", ["receiver.port is true", "a whole number"]),
        ("[receiver]\nport = 1979-05-27", ["receiver.port is a date or a time", "a whole number"]),
        ('[receiver]\nhost = ""', ["receiver.host is empty", "text of 1 to 255 characters"]),
        ('[receiver]\nae_title = "12345678901234567"', ["receiver.ae_title", "1 to 16 characters"]),
        ('[receiver]\nae_title = "A\\\\B"', ["receiver.ae_title", "no backslash"]),
        ('[receiver]\nae_title = "Ä"', ["receiver.ae_title", "printable ASCII"]),
        ('[receiver]\nae_title = "   "', ["receiver.ae_title", "not only spaces"]),
        ("[receiver]\nmax_pdu = 100", ["receiver.max_pdu is 100", "from 4096 to 16777216"]),
        ("[receiver]\nprocesses = 0", ["receiver.processes is 0", "from 1 to 64"]),
        ("[receiver]\npeer = 5", ["receiver.peer is 5", "a list of tables"]),
        ("[receiver]\npeer = [3]", ["receiver.peer[0] is 3", "a table with ae_title, network"]),
        ('[[receiver.peer]]\nae_title = "X"', ["receiver.peer[0].network is missing", "expected text"]),
        (
            '[[receiver.peer]]\nae_title = "X"\nnetwork = "10.0.0.1/8"',
            ["receiver.peer[0].network", "no bits behind the prefix"],
        ),
        (
            '[[receiver.peer]]\nae_title = "X"\nnetwork = "pacs.example.org"',
            ["receiver.peer[0].network", "one address, or a network"],
        ),
        ("[passes]\nquiet_seconds = 0", ["passes.quiet_seconds is 0", "a number above 0"]),
        ("[passes]\nquiet_seconds = nan", ["passes.quiet_seconds is nan", "a number above 0"]),
        ("[passes]\nquiet_seconds = inf", ["passes.quiet_seconds is inf", "to 31536000"]),
        ("[passes]\ncap_seconds = 1", ["passes.cap_seconds", "quiet_seconds"]),
        ("[pool]\nworkers = 0", ["pool.workers is 0", "from 1 to 256"]),
        ("[pool]\nmax_bytes_in_flight = 0", ["pool.max_bytes_in_flight is 0", "from 1"]),
        ('[log]\nlevel = "loud"', ['log.level is "loud"', '"debug", "error", "info", "warning"']),
        ("[log]\nlevel = 3", ["log.level is 3", '"debug", "error", "info", "warning"']),
        ("[metrics]\nport = 65536", ["metrics.port is 65536", "0 is off"]),
        ('[gateway]\nname = ""', ["gateway.name is empty", "1 to 64"]),
        ("[profile]\nname = 5", ["profile.name is 5", "text that is not empty"]),
    ],
)
def test_a_wrong_key_is_named_with_what_is_allowed(
    write: Callable[[str], Path], added: str, told: list[str]
) -> None:
    path = write(GATEWAY + added)
    with pytest.raises(ConfigError) as caught:
        load_gateway(path)
    for words in [str(path), *told]:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('path = "spool"', "path = 7", ["spool.path is 7", "a path, as text"]),
        ('path = "spool"', 'path = ""', ["spool.path is empty", "a path, as text"]),
        ('path = "spool"', 'path = "a\\u0000b"', ["spool.path", "a path, as text"]),
        ('path = "spool"', "", ["spool.path is missing", "a path, as text"]),
        ('path = "spool"', 'path = "s"\nlow_water = 0.9', ["spool.low_water must be less than high_water"]),
        (
            'path = "spool"',
            'path = "s"\nslow_water = 0.6',
            ["spool.slow_water must lie between low_water and high_water"],
        ),
        (
            'path = "spool"',
            'path = "s"\nslow_water = 0.9',
            ["spool.slow_water must lie between low_water and high_water"],
        ),
        ('path = "spool"', 'path = "s"\nhigh_water = 1.1', ["spool.high_water is 1.1", "to 1"]),
        (
            'path = "spool"',
            'path = "s"\nmax_bytes = "1 GB"',
            ["spool.max_bytes is a text of 4", "whole number"],
        ),
        ('path = "spool"', 'path = "s"\ndurability = "no"', ['spool.durability is "no"', '"flush", "fsync"']),
        ('[identity]\nsecret_file = "hash-secret"', "", ["table [identity] is missing", "with secret_file"]),
        ('[identity]\nsecret_file = "hash-secret"', "[identity]", ["identity.secret_file is missing"]),
        ("https://", "http://", ["uploader.url must begin with https://"]),
        ("https://", "https://user:word@", ["uploader.url must have no user, password"]),
        ("https://platform.example.org", "https://", ["uploader.url", "name a host"]),
        ("dicom-web", "dicom-web?a=b", ["uploader.url must have", "query"]),
        ("dicom-web", "dicom-web#a", ["uploader.url must have", "fragment"]),
        ('key = "gateway.key"', 'key = "k"\nbackoff_first = 99', ["uploader.backoff_max", "backoff_first"]),
        ('key = "gateway.key"', "key = {}", ["uploader.key is a table", "a path, as text"]),
    ],
)
def test_a_wrong_value_of_a_required_section_is_named(
    write: Callable[[str], Path], old: str, new: str, told: list[str]
) -> None:
    assert old in GATEWAY
    path = write(GATEWAY.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load_gateway(path)
    for words in [str(path), *told]:
        assert words in str(caught.value)


def test_a_secret_that_was_put_into_the_configuration_is_not_shown(write: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_gateway(write(GATEWAY + f'[receiver]\nport = "{"5ec2e7" * 10}"'))
    assert "5ec2e7" not in str(caught.value)


def test_a_section_that_is_no_table_is_named(write: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match="pool is 3; expected a table"):
        load_gateway(write("pool = 3\n" + GATEWAY))


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"[receiver\n", "config-not-toml"),
        (b"port = 1\nport = 2\n", "config-not-toml"),
        (b"\xff\xfe", "config-not-toml"),
        (b"", "config-wrong-value"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "gateway.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(str(path))) as caught:
        load_gateway(path)
    assert caught.value.code == code


def test_a_toml_error_names_the_line(write: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match="line 3"):
        load_gateway(write("\n\n[receiver\n"))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file") as missing:
        load_gateway(tmp_path / "none.toml")
    assert missing.value.code == "config-missing"
    with pytest.raises(ConfigError, match="cannot be read") as folder:
        load_gateway(tmp_path)
    assert folder.value.code == "config-unreadable"


@pytest.mark.parametrize(
    ("peer", "caller", "address", "admitted"),
    [
        (("PACS", "10.0.0.0/8"), "PACS", "10.1.2.3", True),
        (("PACS", "10.0.0.0/8"), "PACS            ", "10.1.2.3", True),
        (("PACS", "10.0.0.0/8"), "pacs", "10.1.2.3", False),
        (("PACS", "10.0.0.0/8"), "PACS", "11.1.2.3", False),
        (("PACS", "10.0.0.0/8"), "PACS", "::ffff:10.1.2.3", True),
        (("PACS", "10.0.0.0/8"), "PACS", "::1", False),
        (("*", "192.0.2.7"), "ANY", "192.0.2.7", True),
        (("*", "192.0.2.7"), "ANY", "192.0.2.8", False),
        (("*", "fe80::/10"), "ANY", "fe80::1%eth0", True),
        (("*", "::/0"), "ANY", "10.1.2.3", False),
    ],
)
def test_a_peer_is_an_ae_title_from_a_network(
    peer: tuple[str, str], caller: str, address: str, *, admitted: bool
) -> None:
    assert PeerConfig(ae_title=peer[0], network=peer[1]).admits(caller, address) is admitted


def test_a_section_made_in_code_keeps_the_rules_between_its_keys(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="low_water must be less"):
        SpoolConfig(path=tmp_path, high_water=0.5, low_water=0.5)
    with pytest.raises(ValueError, match="https"):
        UploaderConfig(url="ftp://x", certificate=tmp_path, key=tmp_path, ca=tmp_path)


def test_the_shipped_examples_load(tmp_path: Path) -> None:
    for name, load in (("gateway.toml", load_gateway), ("platform.toml", load_platform)):
        (tmp_path / name).write_text(shipped(name), encoding="utf-8")
        load(tmp_path / name)
    platform = load_platform(tmp_path / "platform.toml").platform
    assert (platform.port, platform.storage) == (8443, tmp_path / "objects")


@pytest.mark.parametrize(("name", "load"), [("gateway.toml", load_gateway), ("platform.toml", load_platform)])
def test_the_defaults_that_an_example_shows_are_the_defaults(
    tmp_path: Path, name: str, load: Callable[[Path], GatewayConfig | PlatformConfig]
) -> None:
    as_shipped, switched_on = tmp_path / name, tmp_path / f"on-{name}"
    as_shipped.write_text(shipped(name), encoding="utf-8")
    switched_on.write_text(uncommented(shipped(name)), encoding="utf-8")
    assert switched_on.read_text() != as_shipped.read_text()
    assert load(switched_on) == load(as_shipped)


@pytest.mark.parametrize(
    ("name", "kind"), [("gateway.toml", GatewayConfig), ("platform.toml", PlatformConfig)]
)
def test_an_example_shows_every_key_there_is(name: str, kind: type[msgspec.Struct]) -> None:
    shown = tomllib.loads(uncommented(with_tables(shipped(name))))

    def compare(node: Any, value: Any, path: str) -> None:
        if isinstance(node, msgspec.inspect.VarTupleType):
            union = node.item_type.types if isinstance(node.item_type, msgspec.inspect.UnionType) else ()
            kinds = [kind for kind in union if isinstance(kind, msgspec.inspect.StructType)]
            for kind in kinds:
                [one] = [table for table in value if table["kind"] == kind.tag]
                compare(kind, {key: one[key] for key in one if key != "kind"}, f"{path}.{kind.tag}")
            if isinstance(node.item_type, msgspec.inspect.StructType):
                compare(node.item_type, value[0], path)
        elif isinstance(node, msgspec.inspect.StructType):
            assert {field.encode_name for field in node.fields} == set(value), path
            for field in node.fields:
                compare(field.type, value[field.encode_name], f"{path}.{field.encode_name}")

    compare(msgspec.inspect.type_info(kind), shown, "")
