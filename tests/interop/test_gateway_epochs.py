"""Certificates that TLS accepts and the platform does not: fenced, revoked, unknown. They get 403, and no object leaves."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.config import load_platform
from engine.enrolment.enrol import enrol
from engine.enrolment.folder import Enrolled, IdentityFolder
from engine.enrolment.platform import Platform, context
from engine.errors import TransportError
from engine.platform.administration import administration
from engine.platform.gateways.authority import Subject
from engine.platform.gateways.registry import Gateways
from tests.support.platform_process import HOST, content_type
from tests.support.silent_server import CountingRelay
from tests.support.uploading import ReadySpool, UploaderProcess, until
from tests.support.web_platform import TENANT, WebPlatform

pytest_plugins = ("tests.support.stow_fixtures",)
OBJECT_BYTES = 3_000_000
OUT = {
    "fenced": "gateway-fenced",
    "revoked": "gateway-revoked",
    "ahead": "gateway-unknown",
    "stranger": "gateway-unknown",
    "other-tenant": "gateway-unknown",
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebPlatform]:
    running = WebPlatform(tmp_path_factory.mktemp("platform"))
    yield running
    running.stop()


def forged(gateways: Gateways, subject: Subject, folder: Path, like: Enrolled) -> None:
    """A certificate of the right authority that no enrolment has given out."""
    key = ec.generate_private_key(ec.SECP256R1())
    issued = gateways.authority.issue(subject, key.public_key(), 3600.0)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    identity = IdentityFolder(folder)
    identity.write(like, private, issued.certificate, identity.paths.ca.read_bytes())


def outcast(platform: WebPlatform, folder: Path, how: str) -> IdentityFolder:
    """A gateway that enrolled well, and is out for this reason."""
    done = enrol(platform.url, platform.token(), folder, gateway=how)
    known = done.enrolled
    with administration(load_platform(platform.config)) as room:
        gateways = room.gateways()
        if how == "revoked":
            assert gateways.revoke(TENANT, how, room.operator)
        elif how == "ahead":
            forged(gateways, Subject(TENANT, how, known.gateway_id, 9), folder, known)
        elif how == "stranger":
            forged(gateways, Subject(TENANT, how, "0123456789abcdef", 1), folder, known)
        elif how == "other-tenant":
            forged(gateways, Subject("other", how, known.gateway_id, 1), folder, known)
    if how == "fenced":
        enrol(platform.url, platform.token(), folder.with_name("newer"), gateway=how)
    time.sleep(1.1)  # the platform's memory of who is in force
    return IdentityFolder(folder)


@pytest.mark.parametrize("how", OUT)
def test_an_outcast_is_told_so_and_not_a_byte_of_an_object_is_asked_for(
    platform: WebPlatform, tmp_path: Path, how: str
) -> None:
    identity = outcast(platform, tmp_path / "identity", how)
    for ask in (Platform(identity).status, lambda: Platform(identity).secrets(bytearray(4096))):
        with pytest.raises(TransportError) as caught:
            ask()
        assert caught.value.code == OUT[how] and not caught.value.retryable
    head = (
        f"POST /studies HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type()}\r\n"
        "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    )
    plain = socket.create_connection(("127.0.0.1", platform.process.port), timeout=30)
    with context(identity).wrap_socket(plain, server_hostname=HOST) as tls:
        tls.sendall(head.encode())
        answer = b""
        while piece := tls.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 403 "), answer[:60]
    assert OUT[how].encode() in answer
    refused = [json.loads(row.detail)["code"] for row in platform.trail("gateway-refused")]
    assert how == "other-tenant" or OUT[how] in refused


@pytest.mark.parametrize("how", ["fenced", "revoked"])
def test_the_uploader_of_an_outcast_stops_and_keeps_its_spool(
    platform: WebPlatform, tmp_path: Path, ready: ReadySpool, how: str
) -> None:
    identity = outcast(platform, tmp_path / "identity", how)
    relay = CountingRelay(platform.process.port)
    ready.add(1, OBJECT_BYTES)
    paths = identity.paths
    uploader = UploaderProcess(
        tmp_path / "gateway",
        ready,
        platform.pki,
        f"https://{HOST}:{relay.port}",
        certificate=str(paths.credential),
        key=str(paths.credential),
        ca=str(paths.ca),
        receipt_key=identity.enrolled().receipt_key,
    ).start()
    try:
        until(lambda: relay.connections >= 3 and uploader.codes(), "repeats")
        assert set(uploader.codes()) == {OUT[how]}
        told = json.loads((ready.spool.run / "uploader.json").read_bytes())
        assert [one["state"] for one in told["destinations"].values()] == [how]
        assert relay.upward < 20_000 * relay.connections < OBJECT_BYTES * relay.connections
        assert len(ready.left()) == 2 and not ready.quarantined()
        # Enrolled anew, it goes on by itself with what lies there.
        enrol(platform.url, platform.token(), paths.folder, gateway=how, replace=True)
        until(lambda: not ready.left(), "an empty spool")
    finally:
        uploader.stop()
        relay.close()


def test_a_connection_that_was_open_before_is_refused_within_a_second(
    platform: WebPlatform, tmp_path: Path
) -> None:
    enrol(platform.url, platform.token(), tmp_path / "identity", gateway="kept-open")
    connection = platform.process.connect(context(IdentityFolder(tmp_path / "identity")))
    try:
        assert _ask(connection) == 200
        kept = connection.sock
        with administration(load_platform(platform.config)) as room:
            assert room.gateways().revoke(TENANT, "kept-open", room.operator)
        time.sleep(1.1)
        assert connection.sock is kept
        assert _ask(connection) == 403
    finally:
        connection.close()


def _ask(connection: http.client.HTTPSConnection) -> int:
    connection.request("GET", "/penstock/v1/health")
    answer = connection.getresponse()
    answer.read()
    return answer.status
