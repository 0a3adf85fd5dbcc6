"""A key pair made here, and a certificate request for it (PKCS #10, RFC 2986). The key never leaves this machine.

P-256 with SHA-256: every TLS 1.2 and 1.3 peer takes it, while Ed25519 certificates are refused by many that speak TLS 1.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A private key (PKCS #8) and the request for its certificate, both PEM. The representation shows neither."""

    key: bytes
    csr: bytes

    def __repr__(self) -> str:
        return "KeyRequest(…)"


def new_request(gateway: str = "") -> KeyRequest:
    """A new key, and a request that asks for the name `gateway`; "" leaves the name to the platform."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, gateway)] if gateway else []
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyRequest(private, csr.public_bytes(serialization.Encoding.PEM))


def belongs_together(key: bytes, certificate: bytes) -> bool:
    """Whether the first certificate of this PEM is for this private key."""
    private = serialization.load_pem_private_key(key, password=None)
    shape = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    issued = x509.load_pem_x509_certificate(certificate).public_key()
    return private.public_key().public_bytes(*shape) == issued.public_bytes(*shape)
