"""The uploader and certificates: wrong ones get not a byte, renewed ones are taken up."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest

from engine.platform.certificates import Authority
from tests.support.platform_process import Pki, PlatformProcess
from tests.support.silent_server import SilentServer, old_version, weak_suite
from tests.support.uploading import (
    ReadySpool,
    UploaderProcess,
    all_delivered,
    arrived,
    until,
)

pytest_plugins = ("tests.support.stow_fixtures",)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ("expired", "platform-certificate-expired"),
        ("other-ca", "platform-ca-unknown"),
        ("other-host", "platform-host-mismatch"),
        ("client-certificate", "platform-certificate-wrong"),
        ("tls-1.1", "tls-failed"),
        ("weak-suite", "tls-failed"),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_platform_that_is_not_who_it_should_be_gets_not_a_byte(
    tmp_path: Path, pki: Pki, ready: ReadySpool, wrong: str, code: str
) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    credential = {
        "expired": lambda: pki.authority.issue_server(["localhost"], not_after=past),
        "other-ca": lambda: Authority.new().issue_server(["localhost"]),
        "other-host": lambda: pki.authority.issue_server(["elsewhere.example"]),
        "client-certificate": lambda: pki.authority.issue_client("Hospital X"),
        "tls-1.1": lambda: pki.authority.issue_server(["localhost"]),
        "weak-suite": lambda: pki.authority.issue_server(["localhost"]),
    }[wrong]()
    weakened = {"tls-1.1": old_version, "weak-suite": weak_suite}.get(wrong)
    server = SilentServer(pki.keep(f"wrong-{wrong}", credential), weakened)
    ready.add(1)
    uploader = UploaderProcess(tmp_path / "gateway", ready, pki, f"https://localhost:{server.port}").start()
    try:
        until(lambda: server.handshakes >= 3 and uploader.codes(), "repeats")
        assert set(uploader.codes()) == {code}
        assert server.application_bytes == 0
        assert len(ready.left()) == 2
    finally:
        assert uploader.stop() == 0
        server.close()


@pytest.mark.parametrize(
    ("wrong", "code"),
    [("expired", "gateway-certificate-expired"), ("other-ca", "gateway-certificate-refused")],
)
def test_a_refused_gateway_certificate_is_named_and_a_new_one_is_taken_up(
    tmp_path: Path, pki: Pki, ready: ReadySpool, shared: PlatformProcess, wrong: str, code: str
) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=1)
    authority = Authority.new() if wrong == "other-ca" else pki.authority
    certificate, key = pki.keep(
        "mine", authority.issue_client("Hospital X", not_after=past if wrong == "expired" else None)
    )
    uploader = UploaderProcess(
        tmp_path / "gateway", ready, pki, shared.url, certificate=str(certificate), key=str(key)
    )
    ready.add(1)
    refused = len(shared.events("handshake-refused"))
    uploader.start()
    try:
        until(lambda: len(shared.events("handshake-refused")) >= refused + 3 and uploader.codes(), "repeats")
        assert set(uploader.codes()) == {code}
        assert arrived(shared, ready) == {}
        pki.keep("mine", pki.authority.issue_client("Hospital X"))
        all_delivered(shared, ready)
    finally:
        uploader.stop()


def test_a_missing_certificate_is_a_clear_error_at_the_start(
    tmp_path: Path, pki: Pki, ready: ReadySpool
) -> None:
    uploader = UploaderProcess(
        tmp_path / "gateway", ready, pki, "https://localhost:1", certificate=str(tmp_path / "none.pem")
    ).start()
    until(lambda: uploader.events("cannot-go-on"))
    assert uploader.wait() == 2
    told = json.loads((ready.spool.run / "uploader.error").read_bytes())
    assert "uploader.certificate" in told["message"]
