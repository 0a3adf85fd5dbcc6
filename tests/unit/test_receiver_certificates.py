"""[receiver.tls]: files that cannot be used are named at the start, files that are renewed are taken without one."""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from engine.config.receiver import PeerConfig, ReceiverConfig, ReceiverTlsConfig
from engine.errors import ConfigError
from engine.receiver.tls import Certificates, make_context, why
from tests.support.platform_process import Pki
from tests.support.receiver_tls import settings


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki")


def test_a_client_ca_makes_certificates_a_must(pki: Pki) -> None:
    assert make_context(settings(pki)).verify_mode is ssl.CERT_REQUIRED
    assert make_context(settings(pki, mutual=False)).verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize("profile", ["bcp195", "modified-bcp195"])
def test_nothing_below_1_2_and_nothing_without_aead(pki: Pki, profile: str) -> None:
    context = make_context(settings(pki, profile=profile))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    for suite in context.get_ciphers():
        assert any(part in suite["name"] for part in ("GCM", "CHACHA20", "CCM")), suite["name"]
        assert suite["name"].startswith(("TLS_", "ECDHE-")), suite["name"]


@pytest.mark.parametrize("key", ["certificate", "key", "client_ca", "client_crl"])
def test_a_missing_file_is_named_by_its_key(pki: Pki, tmp_path: Path, key: str) -> None:
    config = msgspec.structs.replace(settings(pki), **{key: tmp_path / "missing"})
    with pytest.raises(ConfigError) as caught:
        make_context(config)
    assert f"receiver.tls.{key}" in str(caught.value)
    assert "missing" in str(caught.value)


@pytest.mark.parametrize("key", ["certificate", "key", "client_ca", "client_crl"])
def test_a_file_that_is_no_pem_is_named_by_its_key(pki: Pki, tmp_path: Path, key: str) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(b"\0" * 100)
    with pytest.raises(ConfigError, match=rf"receiver\.tls\..*{key}"):
        make_context(msgspec.structs.replace(settings(pki), **{key: path}))


def test_a_key_of_another_certificate_is_refused(pki: Pki) -> None:
    config = msgspec.structs.replace(settings(pki), key=pki.client[1])
    with pytest.raises(ConfigError, match="key values mismatch"):
        make_context(config)


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(pki: Pki, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    path = tmp_path / "key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    with pytest.raises(ConfigError, match="password"):
        make_context(msgspec.structs.replace(settings(pki), key=path))


def test_renewed_files_are_taken_and_broken_ones_are_not(pki: Pki, tmp_path: Path) -> None:
    other = pki.keep("renewed", pki.authority.issue_server(["127.0.0.1"]))
    mine = tmp_path / "mine.pem", tmp_path / "mine.key"
    for source, target in zip(pki.server, mine, strict=True):
        shutil.copy(source, target)
    config = msgspec.structs.replace(settings(pki), certificate=mine[0], key=mine[1])
    certificates = Certificates(config)
    first = certificates.context
    certificates.refresh()
    assert certificates.context is first
    for source, target in zip(other, mine, strict=True):
        shutil.copy(source, target.with_suffix(".new"))
        os.replace(target.with_suffix(".new"), target)
    certificates.refresh()
    second = certificates.context
    assert second is not first
    mine[0].write_bytes(b"")
    certificates.refresh()
    assert certificates.context is second
    mine[0].unlink()
    certificates.refresh()
    assert certificates.context is second


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (ConnectionAbortedError(), "deadline"),
        (ConnectionResetError(), "lost"),
        (ssl.SSLError(), "refused"),
    ],
)
def test_what_ended_a_handshake_is_one_of_our_own_words(error: OSError, word: str) -> None:
    assert why(error) == word


def test_a_revocation_list_needs_an_authority(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="client_crl needs client_ca"):
        ReceiverTlsConfig(certificate=pki.server[0], key=pki.server[1], client_crl=tmp_path / "crl")


def test_a_peer_by_tls_needs_the_table_and_the_ports_differ(pki: Pki) -> None:
    with pytest.raises(ValueError, match=r"peer\[0\]\.tls needs"):
        ReceiverConfig(peers=(PeerConfig(ae_title="*", network="10.0.0.0/8", tls=True),))
    secured = msgspec.structs.replace(settings(pki), port=11112)
    with pytest.raises(ValueError, match=r"tls\.port"):
        ReceiverConfig(tls=secured)
