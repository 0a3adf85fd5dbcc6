"""What a certificate request may ask for. Of it only the public key is used; a wish for anything else is refused,
so that nobody believes it was granted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.platform.gateways.errors import EnrolmentError

MOST_BYTES = 8192
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_CURVES = (ec.SECP256R1, ec.SECP384R1)


@dataclass(frozen=True, slots=True)
class Wish:
    """A request whose signature holds: the key, and the names asked for; "" is none."""

    public_key: ec.EllipticCurvePublicKey
    name: str
    organization: str


def read(pem: bytes) -> Wish:
    """Raises EnrolmentError: "csr-malformed" for what is no request, "csr-signature" for one that does not prove its
    key, "csr-key" for another kind of key, "csr-name" for names that no gateway has.
    """
    if len(pem) > MOST_BYTES:
        raise EnrolmentError("csr-malformed", f"a certificate request has at most {MOST_BYTES} bytes")
    try:
        csr = x509.load_pem_x509_csr(pem)
        valid = csr.is_signature_valid
        key = csr.public_key()
        subject = list(csr.subject)
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        raise EnrolmentError("csr-malformed", "this is not a certificate request (PKCS #10, PEM)") from None
    if not valid:
        raise EnrolmentError("csr-signature", "the certificate request is not signed by its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise EnrolmentError("csr-key", "the key must be on the curve P-256 or P-384")
    found: dict[x509.ObjectIdentifier, str] = {}
    for attribute in subject:
        value = attribute.value
        if attribute.oid in found or not isinstance(value, str):
            raise EnrolmentError("csr-name", "the certificate request names its subject twice")
        found[attribute.oid] = value
    if not found.keys() <= {NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME}:
        raise EnrolmentError(
            "csr-name", "the subject may have a common name (CN) and an organization (O) only"
        )
    name = found.get(NameOID.COMMON_NAME, "")
    if name:
        check_name(name)
    return Wish(key, name, found.get(NameOID.ORGANIZATION_NAME, ""))


def check_name(name: str) -> None:
    """Raises EnrolmentError("gateway-name") for what cannot be a gateway's name."""
    if not NAME.fullmatch(name):
        raise EnrolmentError(
            "gateway-name",
            "this cannot be the name of a gateway",
            hint='such as "radiology-1": letters, digits, dots, hyphens and underscores, 1 to 63 of them',
        )
