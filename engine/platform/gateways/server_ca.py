"""What gateways are given to know the platform by: the pin in a token, and the CA for later."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from engine.config import PlatformConfig
from engine.enrolment.pinned import pin_of
from engine.errors import ConfigError


def web_pin(config: PlatformConfig) -> bytes | None:
    """SHA-256 of the public key that `[web]` shows; None without `[web]`. Raises ConfigError."""
    if config.web is None:
        return None
    return pin_of(_read(config.web.certificate or config.platform.certificate)[0])


def server_ca(config: PlatformConfig) -> bytes | None:
    """The CA that vouches for `[platform]`'s certificate, PEM; None when none is configured that does.

    Raises ConfigError when `gateways.server_ca` is given and does not.
    """
    chosen = config.gateways.server_ca
    trusted = _read(chosen or config.platform.client_ca)
    if _vouches(trusted, _read(config.platform.certificate)):
        return b"".join(one.public_bytes(Encoding.PEM) for one in trusted)
    if chosen is None:
        return None
    raise ConfigError(
        "server-ca",
        f"gateways.server_ca: {chosen} does not vouch for platform.certificate",
        hint="it must hold the CA that issued the platform's certificate",
    )


def _vouches(trusted: list[x509.Certificate], chain: list[x509.Certificate]) -> bool:
    """Whether the first certificate of the chain leads to a trusted one."""
    current = chain[0]
    for _ in range(len(chain)):
        if current in trusted or any(_issued(current, one) for one in trusted):
            return True
        above = [one for one in chain[1:] if _issued(current, one)]
        if not above:
            return False
        current = above[0]
    return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _read(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise ConfigError(
            "tls-file", f"cannot read certificates from {path}", hint="it must be PEM certificates"
        ) from problem
