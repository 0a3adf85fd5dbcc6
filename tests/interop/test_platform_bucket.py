"""Objects in S3: a server process of others on loopback, and what is altered, lost or not reachable there."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.config.objects import ObjectsConfig
from engine.errors import ConfigError
from engine.platform.bucket import Bucket
from tests.support.platform_process import (
    STUDY,
    Pki,
    PlatformProcess,
    content_type,
    multipart,
    pseudonymized,
    tls_socket,
)
from tests.support.s3 import BUCKET, S3Server
from tests.support.uploading import until

pytest_plugins = ("tests.support.stow_fixtures",)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for the tests of this module."""
    server = S3Server(tmp_path_factory.mktemp("s3")).start()
    yield server
    server.stop()


def credentials(folder: Path) -> Path:
    path = folder / "credentials"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text("[ours]\naws_access_key_id = test\naws_secret_access_key = test\n")
    path.chmod(0o600)
    return path


def section(server: S3Server, folder: Path, prefix: str) -> str:
    return (
        f'[objects]\nurl = "s3://{BUCKET}/{prefix}"\nendpoint = "{server.endpoint}"\nplain_http = true\n'
        f'credentials_file = "{credentials(folder)}"\ncredentials_profile = "ours"\n'
    )


@pytest.fixture
def platform(tmp_path: Path, pki: Pki, s3: S3Server) -> Iterator[PlatformProcess]:
    prefix = tmp_path.name
    process = PlatformProcess(tmp_path / "platform", pki, sections=section(s3, tmp_path, prefix)).start()
    yield process
    process.stop()


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    return tmp_path.name


def mine(s3: S3Server, prefix: str) -> list[str]:
    return [key for key in s3.listing() if key.startswith(prefix + "/")]


def place(number: int) -> str:
    return f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + number}"


def test_objects_lie_encrypted_in_the_bucket_and_come_back_as_they_were(
    platform: PlatformProcess, s3: S3Server, prefix: str
) -> None:
    parts = [pseudonymized(number, size=size) for number, size in enumerate((2000, 600_000, 20_000_000))]
    assert platform.store(parts)[0] == 200
    keys = mine(s3, prefix)
    assert len(keys) == 3
    assert platform.stored_files() == []
    assert not any(b"DICM" in s3.read(key) for key in keys)
    for number, part in enumerate(parts):
        assert platform.get(place(number)) == (200, part)


def test_a_repeat_is_stored_once_and_other_bytes_are_refused(
    platform: PlatformProcess, s3: S3Server, prefix: str
) -> None:
    first = platform.store([pseudonymized(1)])
    assert platform.store([pseudonymized(1)]) == first
    assert platform.store([pseudonymized(1, size=3000)])[0] == 409
    assert len(mine(s3, prefix)) == 1
    assert platform.stored_files() == []


@pytest.mark.parametrize("how", ["flipped", "cut", "cut-between-chunks", "empty", "longer"])
def test_an_object_that_was_altered_in_the_bucket_is_not_given_out_and_is_named(
    platform: PlatformProcess, s3: S3Server, prefix: str, how: str
) -> None:
    platform.store([pseudonymized(1, size=200_000)])
    [key] = mine(s3, prefix)
    held = s3.read(key)
    flipped = bytearray(held)
    flipped[1000] ^= 1
    s3.write(key, {"flipped": bytes(flipped), "cut": held[:-5], "cut-between-chunks": held[:12], "empty": b"",
                   "longer": held + b"x"}[how])  # fmt: skip
    status, body = platform.get(place(1))
    told = json.loads(body)["error"]
    assert (status, told["code"]) == (500, "object-altered")
    assert key.rpartition("/")[2] in told["message"]
    until(lambda: platform.events("object-unreadable"), "a line in the log")
    assert platform.events("object-unreadable")[0]["object"] == key.rpartition("/")[2]


def test_exchanged_objects_are_found_out(platform: PlatformProcess, s3: S3Server, prefix: str) -> None:
    platform.store([pseudonymized(1), pseudonymized(2)])
    first, second = mine(s3, prefix)
    one, other = s3.read(first), s3.read(second)
    s3.write(first, other)
    s3.write(second, one)
    for number in (1, 2):
        status, body = platform.get(place(number))
        assert (status, json.loads(body)["error"]["code"]) == (500, "object-altered")


def test_a_lost_object_is_named_and_may_be_sent_again(
    platform: PlatformProcess, s3: S3Server, prefix: str
) -> None:
    import obstore

    platform.store([pseudonymized(1)])
    [key] = mine(s3, prefix)
    obstore.delete(s3.store, key)
    status, body = platform.get(place(1))
    assert (status, json.loads(body)["error"]["code"]) == (500, "object-missing")
    assert platform.store([pseudonymized(1)])[0] == 200
    assert platform.get(place(1)) == (200, pseudonymized(1))


def test_a_bucket_that_is_away_refuses_for_now_and_heals(tmp_path: Path, pki: Pki) -> None:
    server = S3Server(tmp_path).start()
    sections = section(server, tmp_path, "away")
    platform = PlatformProcess(tmp_path / "platform", pki, sections=sections).start()
    try:
        assert platform.store([pseudonymized(1)])[0] == 200
        server.stop()
        status, answer = platform.store([pseudonymized(2)])
        assert (status, answer["error"]["code"]) == (503, "bucket-failed")
        assert len(platform.instances()) == 1
        assert platform.get(place(1))[0] == 503
        server.start()
        assert platform.store([pseudonymized(2)])[0] == 200
        assert platform.get(place(2)) == (200, pseudonymized(2))
    finally:
        platform.stop()
        server.stop()


def test_killed_in_the_middle_it_starts_again_clean(
    platform: PlatformProcess, s3: S3Server, prefix: str
) -> None:
    platform.store([pseudonymized(1)])
    body = multipart([pseudonymized(2, size=900_000)])
    raw = tls_socket(platform, platform.pki.context())
    head = f"POST /studies HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
    raw.sendall(head.encode() + body[:800_000])
    until(lambda: len(platform.stored_files()) == 1, "an arriving object")
    platform.stop(signal.SIGKILL)
    raw.close()
    [leftover] = platform.stored_files()
    s3.write(f"{prefix}/{leftover.name[:2]}/{leftover.name}", b"uploaded before the kill, and never indexed")
    platform.start()
    assert len(mine(s3, prefix)) == 1
    assert platform.stored_files() == []
    assert platform.get(place(1)) == (200, pseudonymized(1))


def test_what_lay_in_the_folder_before_is_still_found(
    fragile: PlatformProcess, s3: S3Server, tmp_path: Path
) -> None:
    fragile.store([pseudonymized(1)])
    fragile.stop()
    fragile.sections = section(s3, tmp_path, "later")
    fragile.start()
    assert fragile.store([pseudonymized(1), pseudonymized(2)])[0] == 200
    assert len(fragile.stored_files()) == len(mine(s3, "later")) == 1
    for number in (1, 2):
        assert fragile.get(place(number)) == (200, pseudonymized(number))


def test_a_large_object_takes_little_memory(platform: PlatformProcess) -> None:
    part = pseudonymized(1, size=150_000_000)
    assert platform.store([part])[0] == 200
    status = Path(f"/proc/{platform.pid}/status").read_text()
    [peak] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    assert peak < 200_000, f"{peak} KiB at the peak"
    connection = platform.connect()
    connection.request("GET", place(1))
    answer = connection.getresponse()
    length = 0
    while piece := answer.read(1 << 20):
        length += len(piece)
    connection.close()
    assert length == len(part)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "http://lake"}, "url"),
        ({"url": "s3://L"}, "url"),
        ({"url": "s3://lake/../x"}, "url"),
        ({"url": "s3://lake", "endpoint": "http://127.0.0.1"}, "endpoint"),
        ({"url": "s3://lake", "endpoint": "https://u:p@host"}, "endpoint"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ObjectsConfig(**given)


def test_credentials_that_cannot_be_used_are_named_and_not_shown(tmp_path: Path) -> None:
    path = credentials(tmp_path)
    settings = ObjectsConfig(url="s3://lake", credentials_file=str(path), credentials_profile="theirs")
    with pytest.raises(ConfigError, match="no \\[theirs\\]"):
        Bucket.open(settings)
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        Bucket.open(settings)
    path.write_text("hunter2")
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        Bucket.open(settings)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot read"):
        Bucket.open(ObjectsConfig(url="s3://lake", ca=str(tmp_path / "none")))
