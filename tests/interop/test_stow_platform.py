"""The platform as a client sees it: a real process, real TLS, real requests."""

from __future__ import annotations

import base64
import datetime
import http.client
import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3

from engine.platform.certificates import Authority
from engine.platform.keys import verify_signature
from engine.platform.receipts import signed_message
from tests.support.platform_process import (
    BOUNDARY,
    STUDY,
    Pki,
    PlatformProcess,
    content_type,
    multipart,
    pseudonymized,
    tls_socket,
)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[PlatformProcess]:
    """One platform for the tests that only add objects; each uses a study of its own."""
    platform = PlatformProcess(tmp_path_factory.mktemp("platform"), pki).start()
    yield platform
    assert platform.stop() == 0
    assert not platform.events("crash")
    assert not platform.events("request-broken")


@pytest.fixture
def platform(tmp_path: Path, pki: Pki) -> Iterator[PlatformProcess]:
    """A platform for one test."""
    process = PlatformProcess(tmp_path / "platform", pki).start()
    yield process
    process.stop()


def receipts(
    answer: dict[str, dict[str, list[dict[str, dict[str, list[object]]]]]],
) -> list[tuple[object, ...]]:
    items = answer.get("00081199", {}).get("Value", [])
    return [tuple(item[tag]["Value"][0] for tag in ("00081155", "00991001", "00991002")) for item in items]


def reasons(answer: dict[str, dict[str, list[dict[str, dict[str, list[object]]]]]]) -> list[object]:
    return [item["00991006"]["Value"][0] for item in answer.get("00081198", {}).get("Value", [])]


def test_objects_get_receipts_and_come_back_as_they_were(shared: PlatformProcess) -> None:
    parts = [pseudonymized(number, "2.25.1", 300_000 + number) for number in range(3)]
    status, answer = shared.store(parts)
    assert status == 200
    assert receipts(answer) == [
        (f"2.25.{10**20 + number}", blake3(part).hexdigest(), len(part)) for number, part in enumerate(parts)
    ]
    for number, part in enumerate(parts):
        path = f"/penstock/v1/studies/2.25.1/instances/2.25.{10**20 + number}"
        assert shared.get(path) == (200, part)


def test_an_object_larger_than_many_chunks_comes_back_as_it_was(shared: PlatformProcess) -> None:
    part = pseudonymized(50, "2.25.2", 5_000_000)
    assert shared.store([part])[0] == 200
    assert shared.get(f"/penstock/v1/studies/2.25.2/instances/2.25.{10**20 + 50}") == (200, part)


def test_receipts_are_signed(shared: PlatformProcess) -> None:
    part = pseudonymized(100, "2.25.3")
    _, answer = shared.store([part])
    [item] = answer["00081199"]["Value"]
    key = json.loads(shared.get("/penstock/v1/key")[1])
    message = signed_message(
        f"2.25.{10**20 + 100}", blake3(part).hexdigest(), len(part), item["00991003"]["Value"][0]
    )
    public, signature = (
        base64.b64decode(key["public_key"]),
        base64.b64decode(item["00991004"]["InlineBinary"]),
    )
    assert verify_signature(public, signature, message)
    assert not verify_signature(public, signature, message.replace(b"2.25", b"2.26"))


def test_a_repeat_gets_the_same_receipt_and_is_stored_once(shared: PlatformProcess) -> None:
    part = pseudonymized(200, "2.25.4")
    before = len(shared.stored_files())
    first = shared.store([part])
    assert shared.store([part]) == first
    assert shared.store([part, part])[1]["00081199"]["Value"] == first[1]["00081199"]["Value"] * 2
    assert len(shared.stored_files()) == before + 1


def test_the_same_uid_with_other_bytes_is_refused_and_the_first_stays(shared: PlatformProcess) -> None:
    first, second = pseudonymized(300, "2.25.5", 2000), pseudonymized(300, "2.25.5", 2002)
    assert shared.store([first])[0] == 200
    status, answer = shared.store([second])
    assert (status, reasons(answer), receipts(answer)) == (409, ["other-digest"], [])
    assert shared.get(f"/penstock/v1/studies/2.25.5/instances/2.25.{10**20 + 300}") == (200, first)


def test_the_two_versions_in_one_request_are_judged_in_order(shared: PlatformProcess) -> None:
    parts = [pseudonymized(310, "2.25.6", 2000), pseudonymized(310, "2.25.6", 2002)]
    status, answer = shared.store(parts)
    assert (status, reasons(answer), len(receipts(answer))) == (202, ["other-digest"], 1)
    assert receipts(answer)[0][1] == blake3(parts[0]).hexdigest()


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (b"no DICOM at all", "not-dicom"),
        (b"", "not-dicom"),
        (bytes(128) + b"DICM", "not-pseudonymized"),
        (pseudonymized(400, "2.25.7").replace(b"CS\x04\x00YES ", b"CS\x04\x00NO  "), "not-pseudonymized"),
        (pseudonymized(401, "2.25.7")[:400], "truncated"),
    ],
    ids=["text", "empty", "preamble-alone", "not-pseudonymized", "cut"],
)
def test_what_is_not_a_pseudonymized_object_is_refused(
    shared: PlatformProcess, part: bytes, reason: str
) -> None:
    before = len(shared.stored_files())
    good = pseudonymized(450, "2.25.7")
    status, answer = shared.store([part, good])
    assert (status, len(receipts(answer))) == (202, 1)
    [told] = reasons(answer)
    assert told == reason
    assert len(shared.stored_files()) <= before + 1


def test_an_object_of_another_study_than_the_path_is_refused(shared: PlatformProcess) -> None:
    status, answer = shared.store([pseudonymized(500, "2.25.8")], "/studies/2.25.9")
    assert (status, reasons(answer)) == (409, ["other-study"])
    assert shared.store([pseudonymized(500, "2.25.8")], "/studies/2.25.8")[0] == 200


def test_studies_are_listed_by_hashed_id(shared: PlatformProcess) -> None:
    hashed_id = "b" * 32
    shared.store([pseudonymized(number, "2.25.10", hashed_id=hashed_id) for number in (600, 601)])
    shared.store([pseudonymized(602, "2.25.11", hashed_id="c" * 32)])
    listed = json.loads(shared.get(f"/penstock/v1/studies?hashed_id={hashed_id}")[1])["studies"]
    assert [(s["study_instance_uid"], s["objects"], s["modalities"]) for s in listed] == [
        ("2.25.10", 2, ["CT"])
    ]
    assert json.loads(shared.get("/penstock/v1/studies?hashed_id=' OR 1=1 --".replace(" ", "%20"))[1]) == {
        "studies": []
    }


def test_another_institution_sees_and_touches_nothing_of_it(shared: PlatformProcess, pki: Pki) -> None:
    shared.store([pseudonymized(700, "2.25.12")])
    other = pki.context(pki.keep("other", pki.authority.issue_client("Hospital Y")))
    assert json.loads(shared.get("/penstock/v1/studies", other)[1]) == {"studies": []}
    assert shared.get("/penstock/v1/studies/2.25.12/instances", other)[0] == 404
    assert shared.get(f"/penstock/v1/studies/2.25.12/instances/2.25.{10**20 + 700}", other)[0] == 404


def test_the_dicomweb_prefix_leads_to_the_same_service(shared: PlatformProcess) -> None:
    assert shared.store([pseudonymized(800, "2.25.13")], "/dicom-web/studies")[0] == 200
    assert len(shared.instances("2.25.13")) == 1


BODY = multipart([pseudonymized(900, "2.25.14")])


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (BODY, "application/json", 415),
        (BODY, "multipart/related; type=text/plain; boundary=x", 415),
        (BODY, 'multipart/related; type="application/dicom"', 415),
        (BODY, f"multipart/related; boundary={'x' * 71}", 415),
        (BODY[:-40], content_type(), 400),
        (BODY[: len(BODY) // 2], content_type(), 400),
        (BODY.replace(BOUNDARY.encode(), b"another", 1), content_type(), 400),
        (multipart([pseudonymized(901, "2.25.14")], head="Content-Length: 7\r\n"), content_type(), 400),
        (multipart([pseudonymized(901, "2.25.14")], head="Content-Length: 9999999\r\n"), content_type(), 400),
        (multipart([pseudonymized(901, "2.25.14")], head="X: " + "y" * 5000 + "\r\n"), content_type(), 400),
        (multipart([pseudonymized(901, "2.25.14")], head="X: y\r\n" * 20), content_type(), 400),
        (f"--{BOUNDARY}--\r\n".encode(), content_type(), 400),
        (b"", content_type(), 400),
    ],
    ids=[
        "not-multipart",
        "other-type",
        "no-boundary",
        "long-boundary",
        "no-terminator",
        "half",
        "other-boundary",
        "length-too-small",
        "length-too-large",
        "long-header",
        "many-headers",
        "no-part",
        "nothing",
    ],
)
def test_a_broken_request_is_refused_and_leaves_nothing(
    shared: PlatformProcess, body: bytes, kind: str, status: int
) -> None:
    before = len(shared.stored_files())
    told, answer = shared.post(body, kind=kind)
    assert told == status
    assert set(answer["error"]) >= {"code", "message"}
    assert len(shared.stored_files()) == before


@pytest.mark.parametrize("query", ["limit=x", "limit=0", "limit=100000", "offset=-1", f"offset={2**70}"])
def test_a_listing_with_a_wrong_window_is_refused(shared: PlatformProcess, query: str) -> None:
    assert shared.get(f"/penstock/v1/studies?{query}")[0] == 400


def test_a_request_that_breaks_off_leaves_nothing(platform: PlatformProcess) -> None:
    body = multipart([pseudonymized(1), pseudonymized(2, size=600_000)])
    with tls_socket(platform, platform.pki.context()) as raw:
        head = f"POST /studies HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
        raw.sendall(head.encode() + body[: len(body) - 1000])
    platform.get("/penstock/v1/health")
    while not platform.events("client-gone"):
        platform.get("/penstock/v1/health")
    assert platform.stored_files() == []
    assert platform.instances() == []


def refused_bytes(platform: PlatformProcess, context: ssl.SSLContext) -> None:
    """A client that begins to send at once, as TLS 1.3 allows, before the server has judged its certificate."""
    body = multipart([pseudonymized(1)])
    head = f"POST /studies HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
    with tls_socket(platform, context) as raw:
        raw.sendall(head.encode() + body)
        raw.recv(1)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("who", ["nobody", "expired", "other-ca", "server-certificate"])
def test_a_client_without_the_right_certificate_is_refused(
    shared: PlatformProcess, pki: Pki, tmp_path: Path, who: str, version: ssl.TLSVersion
) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    if who == "nobody":
        context = pki.context(anonymous=True)
    elif who == "expired":
        context = pki.context(pki.keep("expired", pki.authority.issue_client("Hospital X", not_after=past)))
    elif who == "other-ca":
        context = pki.context(pki.keep("stranger", Authority.new().issue_client("Hospital X")))
    else:
        context = pki.context(pki.server)
    context.minimum_version = context.maximum_version = version
    before = len(shared.stored_files())
    handshakes = len(shared.events("handshake-refused"))
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        refused_bytes(shared, context)
    while len(shared.events("handshake-refused")) == handshakes:
        shared.get("/penstock/v1/health")
    assert len(shared.stored_files()) == before


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(shared: PlatformProcess, pki: Pki) -> None:
    context = pki.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"PROTOCOL_VERSION|ALERT"):
        tls_socket(shared, context)


def test_a_suite_without_aead_is_refused(shared: PlatformProcess, pki: Pki) -> None:
    context = pki.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-SHA384")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        tls_socket(shared, context)
    context.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    tls_socket(shared, context).close()


def test_plain_http_to_the_port_is_refused(shared: PlatformProcess) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=30)
    connection.request("GET", "/penstock/v1/studies")
    try:
        with pytest.raises((http.client.BadStatusLine, ConnectionResetError)):
            connection.getresponse()
    finally:
        connection.close()


def one_stored_file(platform: PlatformProcess) -> Path:
    [path] = platform.stored_files()
    return path


def test_nothing_of_an_object_is_readable_in_the_storage(platform: PlatformProcess) -> None:
    canary = b"CANARY" * 1000
    part = pseudonymized(1).replace(bytes([1]) * 2000, canary[:2000])
    assert platform.store([part])[0] == 200
    assert b"CANARY" in platform.get(f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + 1}")[1]
    stored = one_stored_file(platform).read_bytes()
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
def test_an_altered_object_is_not_given_out_and_is_named(platform: PlatformProcess, how: str) -> None:
    part = pseudonymized(1, size=700_000)
    platform.store([part])
    path = one_stored_file(platform)
    path.write_bytes(altered(path.read_bytes())[how])
    place = f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + 1}"
    if how in {"flipped", "cut-inside-a-chunk", "longer"}:  # beyond the first chunk: the answer breaks off
        with pytest.raises(http.client.IncompleteRead):
            platform.get(place)
    else:
        status, body = platform.get(place)
        assert status == 500
        assert json.loads(body)["error"]["code"] == "object-altered"
        assert path.name in json.loads(body)["error"]["message"]
    named = [line for line in platform.lines if line["event"] == "object-unreadable"]
    assert [line.get("object") for line in named] == [path.name]


def test_a_lost_object_is_named_and_may_be_sent_again(platform: PlatformProcess) -> None:
    part = pseudonymized(1)
    platform.store([part])
    path = one_stored_file(platform)
    path.unlink()
    place = f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + 1}"
    status, body = platform.get(place)
    assert (status, json.loads(body)["error"]["code"]) == (500, "object-missing")
    assert platform.store([part])[0] == 200
    assert platform.get(place) == (200, part)


def test_killed_in_the_middle_of_a_request_it_starts_again_clean(platform: PlatformProcess) -> None:
    kept = pseudonymized(1)
    platform.store([kept])
    body = multipart([pseudonymized(2, size=900_000)])
    raw = tls_socket(platform, platform.pki.context())
    head = f"POST /studies HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
    raw.sendall(head.encode() + body[:800_000])
    while len(platform.stored_files()) < 2:
        platform.get("/penstock/v1/health")
    platform.stop(9)
    raw.close()
    assert len(platform.stored_files()) == 2
    platform.start()
    assert platform.events("listening")[-1]["removed"] == 1
    assert len(platform.stored_files()) == 1
    assert platform.store([kept])[0] == 200
    assert [one["digest"] for one in platform.instances()] == [blake3(kept).hexdigest()]


def test_an_indexed_object_that_was_not_moved_yet_is_moved_at_the_next_start(
    platform: PlatformProcess,
) -> None:
    part = pseudonymized(1)
    platform.store([part])
    platform.stop(9)
    path = one_stored_file(platform)
    path.rename(platform.storage / "incoming" / path.name)
    (platform.storage / "incoming" / ("f" * 32)).write_bytes(b"leftover")
    platform.start()
    told = platform.events("listening")[-1]
    assert (told["moved"], told["removed"]) == (1, 1)
    assert one_stored_file(platform) == path
    assert platform.get(f"/penstock/v1/studies/{STUDY}/instances/2.25.{10**20 + 1}") == (200, part)


def test_a_second_platform_on_the_same_storage_does_not_start(
    platform: PlatformProcess, tmp_path: Path
) -> None:
    second = PlatformProcess(tmp_path / "second", platform.pki, storage=platform.storage)
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
