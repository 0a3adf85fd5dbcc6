"""TLS of the uploader: 1.2 or newer, AEAD suites only, the platform's chain and host name verified."""

from __future__ import annotations

import ssl
from pathlib import Path

from engine.config import UploaderConfig
from engine.errors import ConfigError

# TLS 1.2: forward secrecy and AEAD, nothing else. TLS 1.3 has no other suites.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


class _ClientSide(ssl.SSLObject):
    """Remembers why the platform ended a connection. In TLS 1.3 it judges our certificate when we may have
    begun to write, and the HTTP client then tells of the failed write alone.
    """

    def read(self, len: int = 1024, buffer: bytearray | None = None) -> bytes | int:  # type: ignore[override] # noqa: A002
        """See ssl.SSLObject."""
        try:
            return super().read(len, buffer)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLZeroReturnError):
            raise
        except ssl.SSLError as problem:
            if isinstance(self.context, ClientContext):
                self.context.alert = problem
            raise


class ClientContext(ssl.SSLContext):
    """A context whose connections leave the alert that ended one of them."""

    alert: ssl.SSLError | None = None

    def take_alert(self) -> ssl.SSLError | None:
        """The alert since the last call."""
        alert, self.alert = self.alert, None
        return alert


def client_context(settings: UploaderConfig) -> ClientContext:
    """The client's side of mutual TLS. Raises ConfigError that names the key and the file that cannot be
    used.
    """
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.sslobject_class = _ClientSide
    for name in ("ca", "certificate", "key"):
        path: Path = getattr(settings, name)
        if not path.is_file():
            raise ConfigError("tls-file", f"uploader.{name}: there is no file {path}")
    try:
        context.load_verify_locations(settings.ca)
    except (ssl.SSLError, OSError) as problem:
        message = f"uploader.ca: cannot use {settings.ca}: {_why(problem)}"
        raise ConfigError("tls-ca", message, hint="it must be PEM certificates") from problem
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (ssl.SSLError, OSError) as problem:
        raise ConfigError(
            "tls-certificate",
            f"uploader.certificate: cannot use {settings.certificate} with {settings.key}: {_why(problem)}",
            hint="both must be PEM and belong to each other",
        ) from problem
    return context


def _why(problem: OSError) -> str:
    return str(getattr(problem, "reason", None) or problem.strerror or type(problem).__name__)
