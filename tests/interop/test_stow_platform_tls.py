"""Who may talk to the platform at all: certificates, versions, suites."""

from __future__ import annotations

import datetime
import http.client
import ssl
from pathlib import Path

import pytest

from engine.platform.certificates import Authority
from tests.support.platform_process import (
    Pki,
    PlatformProcess,
    content_type,
    multipart,
    pseudonymized,
    tls_socket,
)

pytest_plugins = ("tests.support.stow_fixtures",)


def answer(fragile: PlatformProcess, context: ssl.SSLContext) -> bytes:
    """The first byte for a client that begins to send at once, as TLS 1.3 allows, before the server has judged its certificate;
    none where the connection ends without one, by an alert or not: a reset may overtake it."""
    body = multipart([pseudonymized(1)])
    head = f"POST /studies HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type()}\r\nContent-Length: {len(body)}\r\n\r\n"
    try:
        with tls_socket(fragile, context) as raw:
            raw.sendall(head.encode() + body)
            return raw.recv(1)
    except (ssl.SSLError, ConnectionError):
        return b""


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
    assert answer(shared, context) == b""
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
    with pytest.raises((ssl.SSLError, ConnectionError)):
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
