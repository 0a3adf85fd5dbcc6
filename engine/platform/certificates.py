"""A small certificate authority for demonstrations, tests and a first set-up: P-256 keys, SHA-256 (RFC 5280).

It makes one root that signs server and client certificates directly; nothing here runs while the
platform serves.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from engine.errors import ConfigError

ROOT_DAYS = 3650
LEAF_DAYS = 397
_CLOCK_SKEW = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class Credential:
    """A certificate and its private key, both PEM. The representation never shows the key."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Credential(…)"

    def write(self, certificate_path: Path, key_path: Path) -> None:
        """Write both files, the key with mode 0600. Raises ConfigError if one exists or cannot be written."""
        _write_new(key_path, self.key, 0o600)
        _write_new(certificate_path, self.certificate, 0o644)


@dataclass(frozen=True)
class CertificateFiles:
    """Where `make_files` put things: the client's certificate is a gateway's, the server's the platform's."""

    ca: Path
    ca_key: Path
    server_certificate: Path
    server_key: Path
    client_certificate: Path
    client_key: Path


class Authority:
    """A root that issues certificates. Hold it only as long as certificates are being made."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def new(cls, common_name: str = "Penstock demonstration CA") -> Authority:
        """Make a root, valid for ten years, that can sign leaves only (path length 0)."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        start, end = _validity(ROOT_DAYS)
        usage = _key_usage(key_cert_sign=True, crl_sign=True)
        certificate = (
            _builder(name, name, key.public_key(), start, end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @property
    def certificate(self) -> bytes:
        """The root's certificate, PEM: what peers are given as `ca`."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def credential(self) -> Credential:
        """The root with its key, to be kept where leaves are issued."""
        return Credential(self.certificate, _private_pem(self._key))

    def issue_server(
        self, hosts: Sequence[str], *, not_after: datetime.datetime | None = None, days: int = LEAF_DAYS
    ) -> Credential:
        """Issue a certificate for a server that is reached as any of `hosts` (DNS names or IP addresses).

        `not_after` (aware) overrides `days`; one in the past gives an expired certificate, which tests need.
        Raises ConfigError without a host.
        """
        if not hosts:
            raise ConfigError(
                "certificate-host", "a server certificate needs a host", hint="give --host NAME"
            )
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
        return self._issue(subject, names, ExtendedKeyUsageOID.SERVER_AUTH, not_after, days)

    def issue_client(
        self,
        institution: str,
        name: str = "gateway",
        *,
        not_after: datetime.datetime | None = None,
        days: int = LEAF_DAYS,
    ) -> Credential:
        """Issue a certificate for a gateway called `name` of an institution (subject O, the tenant)."""
        if not institution.strip():
            raise ConfigError(
                "certificate-institution", "the institution is empty", hint="give --institution NAME"
            )
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, institution),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        return self._issue(subject, None, ExtendedKeyUsageOID.CLIENT_AUTH, not_after, days)

    def _issue(
        self,
        subject: x509.Name,
        names: x509.SubjectAlternativeName | None,
        purpose: x509.ObjectIdentifier,
        not_after: datetime.datetime | None,
        days: int,
    ) -> Credential:
        key = ec.generate_private_key(ec.SECP256R1())
        start, end = _validity(days)
        if not_after is not None:
            start, end = min(start, not_after - datetime.timedelta(days=1)), not_after
        builder = (
            _builder(subject, self._certificate.subject, key.public_key(), start, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Credential(certificate.public_bytes(serialization.Encoding.PEM), _private_pem(key))


def make_files(directory: Path, hosts: Sequence[str], institution: str = "demo") -> CertificateFiles:
    """Make a CA, a server and a client certificate in `directory` (mode 0700 if it is made here).

    Raises ConfigError when a file of that name exists: keys are never overwritten.
    """
    files = CertificateFiles(
        *(
            directory / name
            for name in ("ca.pem", "ca.key", "server.pem", "server.key", "client.pem", "client.key")
        )
    )
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigError(
            "certificate-folder", f"cannot make the folder {directory}: {problem.strerror}"
        ) from problem
    authority = Authority.new()
    authority.credential().write(files.ca, files.ca_key)
    authority.issue_server(hosts).write(files.server_certificate, files.server_key)
    authority.issue_client(institution).write(files.client_certificate, files.client_key)
    return files


def _validity(days: int) -> tuple[datetime.datetime, datetime.datetime]:
    now = datetime.datetime.now(datetime.UTC)
    return now - _CLOCK_SKEW, now + datetime.timedelta(days=days)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    start: datetime.datetime,
    end: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError as problem:
        raise ConfigError(
            "file-exists",
            f"{path} exists and is not overwritten",
            hint="remove it or name another folder",
        ) from problem
    except OSError as problem:
        raise ConfigError("file-unwritable", f"cannot write {path}: {problem.strerror}") from problem
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
