"""What lies on the platform's disk: unreadable, checked, and whole after a kill or a full disk."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3

from tests.support.platform_process import (
    STUDY,
    Pki,
    PlatformProcess,
    content_type,
    multipart,
    pseudonymized,
    tls_socket,
)
from tests.support.uploading import until

pytest_plugins = ("tests.support.stow_fixtures",)


def one_stored_file(fragile: PlatformProcess) -> Path:
    [path] = fragile.stored_files()
    return path


def test_nothing_of_an_object_is_readable_in_the_storage(fragile: PlatformProcess) -> None:
    canary = b"CANARY" * 1000
    part = pseudonymized(1).replace(bytes([1]) * 2000, canary[:2000])
    assert fragile.store([part])[0] == 200
    assert b"CANARY" in fragile.get(f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + 1}")[1]
    stored = one_stored_file(fragile).read_bytes()
    assert b"CANARY" not in stored
    assert b"DICM" not in stored
    assert len(stored) < len(part) + 100


def altered(stored: bytes) -> dict[str, bytes]:
    flipped = bytearray(stored)
    flipped[len(stored) // 2] ^= 1
    chunk = 262_144 + 16
    first = stored[12 : 12 + chunk]
    return {
        "flipped": bytes(flipped),
        "cut-inside-a-chunk": stored[:-5],
        "cut-between-chunks": stored[: 12 + chunk],
        "empty": b"",
        "longer": stored + b"x",
        "chunks-exchanged": stored[:12]
        + stored[12 + chunk : 12 + 2 * chunk]
        + first
        + stored[12 + 2 * chunk :],
        "other-chunk-size": stored[:8] + (131_072).to_bytes(4, "big") + stored[12:],
    }


@pytest.mark.parametrize("how", list(altered(bytes(1_000_000))))
def test_an_altered_object_is_not_given_out_and_is_named(fragile: PlatformProcess, how: str) -> None:
    part = pseudonymized(1, size=700_000)
    fragile.store([part])
    path = one_stored_file(fragile)
    path.write_bytes(altered(path.read_bytes())[how])
    place = f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + 1}"
    if how in {"flipped", "cut-inside-a-chunk", "longer"}:  # beyond the first chunk: the answer breaks off
        with pytest.raises(http.client.IncompleteRead):
            fragile.get(place)
    else:
        status, body = fragile.get(place)
        assert status == 500
        assert json.loads(body)["error"]["code"] == "object-altered"
        assert path.name in json.loads(body)["error"]["message"]
    until(lambda: fragile.events("object-unreadable"), "a line in the log")
    assert [line["object"] for line in fragile.events("object-unreadable")] == [path.name]


def test_a_lost_object_is_named_and_may_be_sent_again(fragile: PlatformProcess) -> None:
    part = pseudonymized(1)
    fragile.store([part])
    path = one_stored_file(fragile)
    path.unlink()
    place = f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + 1}"
    status, body = fragile.get(place)
    assert (status, json.loads(body)["error"]["code"]) == (500, "object-missing")
    assert fragile.store([part])[0] == 200
    assert fragile.get(place) == (200, part)


def test_killed_in_the_middle_of_a_request_it_starts_again_clean(fragile: PlatformProcess) -> None:
    kept = pseudonymized(1)
    fragile.store([kept])
    body = multipart([pseudonymized(2, size=900_000)])
    raw = tls_socket(fragile, fragile.pki.context())
    head = f"POST /studies HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
    raw.sendall(head.encode() + body[:800_000])
    while len(fragile.stored_files()) < 2:
        fragile.get("/penstock/v1/health")
    fragile.stop(9)
    raw.close()
    assert len(fragile.stored_files()) == 2
    fragile.start()
    assert fragile.events("listening")[-1]["removed"] == 1
    assert len(fragile.stored_files()) == 1
    assert fragile.store([kept])[0] == 200
    assert [one["digest"] for one in fragile.instances()] == [blake3(kept).hexdigest()]


def test_an_indexed_object_that_was_not_moved_yet_is_moved_at_the_next_start(
    fragile: PlatformProcess,
) -> None:
    part = pseudonymized(1)
    fragile.store([part])
    fragile.stop(9)
    path = one_stored_file(fragile)
    path.rename(fragile.storage / "incoming" / path.name)
    (fragile.storage / "incoming" / ("f" * 32)).write_bytes(b"leftover")
    fragile.start()
    told = fragile.events("listening")[-1]
    assert (told["moved"], told["removed"]) == (1, 1)
    assert one_stored_file(fragile) == path
    assert fragile.get(f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + 1}") == (200, part)


def test_a_second_platform_on_the_same_storage_does_not_start(
    fragile: PlatformProcess, tmp_path: Path
) -> None:
    second = PlatformProcess(tmp_path / "second", fragile.pki, storage=fragile.storage)
    with pytest.raises(AssertionError, match="another platform is running"):
        second.start()
    assert second.stop() == 2


def test_several_processes_serve_one_storage(tmp_path: Path, pki: Pki) -> None:
    platform = PlatformProcess(tmp_path, pki, "--workers", "3").start()
    parts = [pseudonymized(number) for number in range(12)]
    for at in range(0, 12, 2):
        assert platform.store(parts[at : at + 2])[0] == 200
    for part in parts:
        assert platform.store([part])[0] == 200
    assert len(platform.instances()) == 12
    assert len(platform.stored_files()) == 12
    assert platform.stop() == 0


def test_a_serving_process_that_dies_is_started_again(tmp_path: Path, pki: Pki) -> None:
    platform = PlatformProcess(tmp_path, pki, "--workers", "2").start()
    children = Path(f"/proc/{platform.pid}/task/{platform.pid}/children")
    until(lambda: len(children.read_text().split()) == 2, "two processes")
    first = int(children.read_text().split()[0])
    os.kill(first, signal.SIGKILL)
    until(lambda: platform.events("process-died"), "a line in the log")
    assert [line["child"] for line in platform.events("process-died")] == [first]
    until(lambda: len({*children.read_text().split()} - {str(first)}) == 2, "another process")
    assert platform.store([pseudonymized(1)])[0] == 200
    assert platform.stop() == 0


def test_a_full_disk_is_said_and_heals(tmp_path: Path, pki: Pki) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(small)], check=True)
    try:
        platform = PlatformProcess(tmp_path / "platform", pki, storage=small / "storage").start()
        assert platform.store([pseudonymized(1)])[0] == 200
        status, answer = platform.store([pseudonymized(2), pseudonymized(3, size=8_000_000)])
        assert (status, answer["error"]["code"]) == (503, "storage-full")
        assert [one["sop_instance_uid"] for one in platform.instances()] == [f"2.25.{10**20 + 1}"]
        assert len(platform.stored_files()) == 1
        assert platform.store([pseudonymized(2)])[0] == 200
        assert platform.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
