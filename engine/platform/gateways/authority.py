"""The platform's own certificate authority for gateways (RFC 5280). Its key lies in the database, under the master key.

A P-256 private key is one number of 32 bytes, so it is wrapped as any data key is (RFC 3394).
"""

from __future__ import annotations

import datetime
import secrets
import time
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy import Connection, insert, select, update

from engine.platform.certificates import Authority
from engine.platform.database import Database
from engine.platform.database.connection import take_turns
from engine.platform.database.gateways import AUTHORITY
from engine.platform.keys import MasterKey
from engine.platform.tls import GATEWAY_URN

SKEW_SECONDS = 300.0  # clocks differ; a certificate is valid a little before it is made
_SCALAR_BYTES = 32
_NOT_FOR = (
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a certificate is for: `tenant` is its organization, `name` its common name; both ids are in a URI."""

    tenant: str
    name: str
    gateway_id: str
    epoch: int

    @property
    def uri(self) -> str:
        """What stands in the certificate's subjectAltName."""
        return f"{GATEWAY_URN}{self.gateway_id}:{self.epoch}"


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate, PEM, and when it expires, seconds since 1970."""

    certificate: bytes
    expires: float


class GatewayAuthority:
    """Signs gateways' certificates. The representation never shows the key."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate, self._key = certificate, key

    def __repr__(self) -> str:
        return "GatewayAuthority(…)"

    @classmethod
    def load_or_make(cls, database: Database, master: MasterKey) -> GatewayAuthority:
        """The authority of this platform, made at its first start. Raises SpoolError when the key cannot be unwrapped."""
        with database.begin() as connection:
            take_turns(connection, "authority")
            row = connection.execute(select(AUTHORITY)).one_or_none()
            if row is None:
                made, key = _new()
                connection.execute(
                    insert(AUTHORITY).values(
                        one=1,
                        certificate=_pem(made).decode("ascii"),
                        wrapped_key=master.wrap(_scalar(key)),
                        created=time.time_ns() // 1000,
                    )
                )
                return cls(made, key)
        certificate = x509.load_pem_x509_certificate(row.certificate.encode("ascii"))
        number = int.from_bytes(master.unwrap(row.wrapped_key), "big")
        return cls(certificate, ec.derive_private_key(number, ec.SECP256R1()))

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, PEM: the platform trusts what it signed."""
        return _pem(self._certificate)

    def issue(self, subject: Subject, public_key: ec.EllipticCurvePublicKey, seconds: float) -> Issued:
        """A client certificate for this key, valid for so many seconds from now. Nothing else of a request counts."""
        now = datetime.datetime.now(datetime.UTC)
        end = now + datetime.timedelta(seconds=seconds)
        names = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.tenant),
            x509.NameAttribute(NameOID.COMMON_NAME, subject.name),
        ]
        usage = dict.fromkeys(_NOT_FOR, False)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(names))
            .issuer_name(self._certificate.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(seconds=min(SKEW_SECONDS, seconds / 10)))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(subject.uri)]), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return Issued(_pem(certificate), certificate.not_valid_after_utc.timestamp())


def rewrap(connection: Connection, old: MasterKey, new: MasterKey) -> int:
    """Wrap the authority's key by another master key; how many keys that were: 0 before the first start."""
    row = connection.execute(select(AUTHORITY)).one_or_none()
    if row is None:
        return 0
    connection.execute(update(AUTHORITY).values(wrapped_key=new.wrap(old.unwrap(row.wrapped_key))))
    return 1


def _new() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    # A name of its own for each platform: verifiers choose among authorities by their names first.
    made = Authority.new(f"Penstock gateways {secrets.token_hex(4)}").credential()
    key = serialization.load_pem_private_key(made.key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("an authority's key is on a curve")
    return x509.load_pem_x509_certificate(made.certificate), key


def _scalar(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(_SCALAR_BYTES, "big")


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
