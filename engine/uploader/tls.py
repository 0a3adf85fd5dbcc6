"""TLS of the uploader: 1.2 or newer, AEAD suites only, the destination's chain and host name verified."""

from __future__ import annotations

import ssl
from pathlib import Path

from engine.dicom.tls_profiles import harden
from engine.errors import ConfigError


class _ClientSide(ssl.SSLObject):
    """Remembers why the peer ended a connection. In TLS 1.3 it judges our certificate when we may have
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


def client_context(
    section: str, ca: Path | None, certificate: Path | None = None, key: Path | None = None
) -> ClientContext:
    """The client's side of TLS, mutual where there is a certificate. `ca` None: whom this machine trusts.

    Raises ConfigError that names the key in `section` and the file that cannot be used.
    """
    context = ClientContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the host name
    harden(context)
    context.sslobject_class = _ClientSide
    for name, path in (("ca", ca), ("certificate", certificate), ("key", key)):
        if path is not None and not path.is_file():
            raise ConfigError("tls-file", f"{section}.{name}: there is no file {path}")
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _trust(context, section, ca)
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except (ssl.SSLError, OSError) as problem:
            raise ConfigError(
                "tls-certificate",
                f"{section}.certificate: cannot use {certificate} with {key}: {_why(problem)}",
                hint="both must be PEM and belong to each other",
            ) from problem
    return context


def _trust(context: ClientContext, section: str, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except (ssl.SSLError, OSError) as problem:
        message = f"{section}.ca: cannot use {ca}: {_why(problem)}"
        raise ConfigError("tls-ca", message, hint="it must be PEM certificates") from problem


def _why(problem: OSError) -> str:
    return str(getattr(problem, "reason", None) or problem.strerror or type(problem).__name__)
