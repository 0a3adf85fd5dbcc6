"""The certificates that the platform's helper makes, judged by OpenSSL's own verification."""

from __future__ import annotations

import datetime
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest

from engine.errors import ConfigError
from engine.platform.certificates import Authority, CertificateFiles, make_files


def handshake(files: CertificateFiles, hostname: str, client: tuple[Path, Path] | None) -> dict[str, object]:
    """Shake hands over a socket pair, both sides verifying; returns what the server saw of the client."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(files.server_certificate, files.server_key)
    server_context.load_verify_locations(files.ca)
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.maximum_version = (
        ssl.TLSVersion.TLSv1_2
    )  # the client's certificate is judged in the handshake
    client_context = ssl.create_default_context(cafile=str(files.ca))
    if client:
        client_context.load_cert_chain(*client)
    left, right = socket.socketpair()
    problems: list[BaseException] = []

    def connect() -> None:
        try:
            client_context.wrap_socket(right, server_hostname=hostname).close()
        except OSError as problem:
            problems.append(problem)
            right.close()

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        with server_context.wrap_socket(left, server_side=True) as tls:
            seen: dict[str, object] = {**(tls.getpeercert() or {})}
    finally:
        left.close()
        thread.join()
    if problems:
        raise problems[0]
    return seen


def test_the_files_let_both_sides_verify_each_other(tmp_path: Path) -> None:
    files = make_files(tmp_path / "tls", ["localhost", "127.0.0.1"], "Hospital X")
    seen = handshake(files, "localhost", (files.client_certificate, files.client_key))
    assert seen["subject"] == ((("organizationName", "Hospital X"),), (("commonName", "gateway"),))
    assert handshake(files, "127.0.0.1", (files.client_certificate, files.client_key))


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    files = make_files(tmp_path / "tls", ["localhost"])
    for key in (files.ca_key, files.server_key, files.client_key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_another_host_is_not_accepted(tmp_path: Path) -> None:
    files = make_files(tmp_path, ["localhost"])
    with pytest.raises(ssl.SSLError):
        handshake(files, "elsewhere.example", (files.client_certificate, files.client_key))


def test_a_server_certificate_is_no_client_certificate(tmp_path: Path) -> None:
    files = make_files(tmp_path, ["localhost"])
    with pytest.raises(ssl.SSLError):
        handshake(files, "localhost", (files.server_certificate, files.server_key))


def test_an_expired_client_certificate_is_refused(tmp_path: Path) -> None:
    files = make_files(tmp_path, ["localhost"])
    authority = Authority.new()
    files.ca.write_bytes(authority.certificate)
    for path in (files.server_certificate, files.server_key):
        path.unlink()
    authority.issue_server(["localhost"]).write(files.server_certificate, files.server_key)
    valid = tmp_path / "valid.pem", tmp_path / "valid.key"
    authority.issue_client("Hospital X").write(*valid)
    assert handshake(files, "localhost", valid)
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    expired = tmp_path / "expired.pem", tmp_path / "expired.key"
    authority.issue_client("Hospital X", not_after=past).write(*expired)
    with pytest.raises(ssl.SSLError):
        handshake(files, "localhost", expired)


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    files = make_files(tmp_path, ["localhost"])
    before = files.ca_key.read_bytes()
    with pytest.raises(ConfigError, match=r"exists") as caught:
        make_files(tmp_path, ["localhost"])
    assert caught.value.hint
    assert files.ca_key.read_bytes() == before


def test_a_server_needs_a_host_and_a_client_an_institution() -> None:
    authority = Authority.new()
    with pytest.raises(ConfigError, match="host"):
        authority.issue_server([])
    with pytest.raises(ConfigError, match="institution"):
        authority.issue_client(" ")


def test_a_credential_does_not_print_its_key() -> None:
    credential = Authority.new().credential()
    assert "PRIVATE" not in f"{credential!r} {credential}"
