"""The validity of a certificate, read without a library for all of X.509, is what such a library says."""

from __future__ import annotations

import base64
import datetime
import random
import textwrap
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.doctor.certificate import validity_of
from tests.support.platform_process import Pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def made(begin: datetime.datetime, end: datetime.datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x" * 60)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = builder.not_valid_before(begin).not_valid_after(end).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("end", [2049, 2050, 2999])
def test_both_forms_of_time_are_read(tmp_path: Path, end: int) -> None:
    begin = datetime.datetime(2024, 2, 29, 23, 59, 58, tzinfo=datetime.UTC)
    until = datetime.datetime(end, 12, 31, 1, 2, 3, tzinfo=datetime.UTC)
    path = tmp_path / "x.pem"
    path.write_bytes(b"some words before\n" + made(begin, until) + made(begin, begin))
    assert validity_of(path) == (begin, until)


def test_it_says_what_the_library_says(pki: Pki) -> None:
    for path in (pki.ca, pki.server[0], pki.client[0]):
        known = x509.load_pem_x509_certificate(path.read_bytes())
        assert validity_of(path) == (known.not_valid_before_utc, known.not_valid_after_utc)


def test_what_is_damaged_is_no_certificate_and_no_crash(pki: Pki, tmp_path: Path) -> None:
    der = x509.load_pem_x509_certificate(pki.ca.read_bytes()).public_bytes(serialization.Encoding.DER)
    chance = random.Random(3)
    path = tmp_path / "x.pem"
    refused = 0
    damaged = [der[:size] for size in range(len(der))]
    for _ in range(500):
        data = bytearray(der)
        data[chance.randrange(120)] = chance.randrange(256)
        damaged.append(bytes(data))
    for one in damaged:
        body = "\n".join(textwrap.wrap(base64.b64encode(one).decode(), 64))
        path.write_text(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        try:
            validity_of(path)
        except ValueError:
            refused += 1
    assert refused >= len(der)


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN X509 CRL-----\nAAAA\n"])
def test_a_file_without_a_certificate_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.pem"
    path.write_text(text)
    with pytest.raises(ValueError, match="no certificate"):
        validity_of(path)
