"""The requestor's side of DICOM over TLS (PS3.15 B.12, B.13): whom it believes, and who it says it is."""

from __future__ import annotations

import ssl
from pathlib import Path

from engine.dicom.tls_profiles import CIPHERS, SECURITY_LEVEL, harden
from engine.errors import ConfigError


def client_context(
    ca: Path | None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """Verifies the peer and its host name by `ca`, or by the system's authorities where that is None. Raises ConfigError."""
    for path in (ca, certificate, key):
        if path is not None:
            _check_readable(path)
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (ssl.SSLError, ValueError) as error:
        raise _unusable(f"{ca} holds no certificate of an authority", error) from error
    harden(context)
    context.set_ciphers(f"{CIPHERS}:{SECURITY_LEVEL}")
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            raise _unusable(f"{certificate} and {key} do not belong together", error) from error
    return context


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(
            "file-unreadable",
            f"{path} cannot be read: {error.strerror}",
            hint="correct the path, or its permissions",
        ) from error


def _no_password() -> str:
    raise ValueError("the key has a password")


def _unusable(message: str, error: Exception) -> ConfigError:
    reason = str(getattr(error, "reason", None) or error).lower().replace("_", " ")
    return ConfigError(
        "tls-unusable", f"{message}: {reason}", hint="PEM files are expected, the key without a password"
    )
