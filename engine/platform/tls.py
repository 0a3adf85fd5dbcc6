"""TLS of the platform: 1.2 or newer, AEAD suites only, and no client without a certificate from the trusted
CA.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine import log
from engine.errors import ConfigError

# TLS 1.2: forward secrecy and AEAD, nothing else. TLS 1.3 has no other suites.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
PEER = "penstock.peer"
GATEWAY_URN = "urn:penstock:gateway:"  # then the gateway's id, a colon, and its epoch
_GATEWAY = re.compile(re.escape(GATEWAY_URN) + r"(?P<id>[0-9a-f]{16}):(?P<epoch>[1-9][0-9]{0,8})")
_LOG = log.get("platform")

# Refusals that a TLS client can understand; it closes the connection when it has read the alert.
_TOLD_TO_CLIENTS = {
    "CERTIFICATE_VERIFY_FAILED",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE",
    "UNSUPPORTED_PROTOCOL",
    "NO_SHARED_CIPHER",
}
_MOST_THROWN_AWAY = 4 << 20


@dataclass(frozen=True, slots=True)
class Peer:
    """Who a verified client certificate says it is. `tenant` is its organization (subject O).

    `gateway_id` and `epoch` are those of an enrolled gateway ("" and 0 for other clients), `expires` is the
    certificate's end, seconds since 1970.
    """

    tenant: str
    name: str
    fingerprint: str
    gateway_id: str = ""
    epoch: int = 0
    expires: float = 0.0


class _ServerSide(ssl.SSLObject):
    """Says why a handshake was refused: to the client by the TLS alert, and in the log.

    uvloop closes a connection whose handshake fails without sending the alert that OpenSSL has written. So
    the failure is shown to it as "more is needed", which makes it send. A client of TLS 1.3 may have begun
    its request by then; closing on unread bytes would reset the connection before the alert is read, so
    some are read and thrown away.
    """

    _refusal: ssl.SSLError | None = None
    _incoming: ssl.MemoryBIO
    _thrown_away = 0

    def discards(self, incoming: ssl.MemoryBIO) -> None:
        """What comes in through this buffer is thrown away after a refusal."""
        self._incoming = incoming

    def do_handshake(self) -> None:
        """One step of the handshake."""
        if self._refusal is not None:
            self._thrown_away += len(self._incoming.read())
            if self._thrown_away > _MOST_THROWN_AWAY:
                raise self._refusal
            raise ssl.SSLWantReadError
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as problem:
            _LOG.warning("handshake-refused", reason=str(problem.reason or type(problem).__name__).lower())
            if problem.reason not in _TOLD_TO_CLIENTS:
                raise
            self._refusal = problem
            raise ssl.SSLWantReadError from problem


class _ServerContext(ssl.SSLContext):
    """Makes `_ServerSide` objects, which need the buffer of what comes in."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """See ssl.SSLContext."""
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        if isinstance(made, _ServerSide):
            made.discards(incoming)
        return made


def server_context(certificate: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """The server's side of mutual TLS. Raises ConfigError that names the file that cannot be used."""
    _must_be_there(client_ca)
    context = web_context(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(client_ca)
    except (ssl.SSLError, OSError) as problem:
        raise ConfigError(
            "tls-client-ca",
            f"cannot use the CA {client_ca}: {_why(problem)}",
            hint="it must be PEM certificates",
        ) from problem
    return context


def web_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS of the same strength for clients without certificates. Raises ConfigError that names the file."""
    context = _ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.sslobject_class = _ServerSide
    for path in (certificate, key):
        _must_be_there(path)
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as problem:
        raise ConfigError(
            "tls-certificate",
            f"cannot use the certificate {certificate} with the key {key}: {_why(problem)}",
            hint="both must be PEM and belong to each other",
        ) from problem
    return context


def _must_be_there(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(
            "tls-file", f"there is no file {path}", hint="penstock platform certificates makes all three"
        )


def _why(problem: OSError) -> str:
    return str(getattr(problem, "reason", None) or problem.strerror or type(problem).__name__)


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the verified client in each request's scope under `PEER`."""

    _peer: Peer | None = None

    def connection_made(self, transport: object) -> None:
        """Called when the handshake is done, so the certificate is verified."""
        super().connection_made(transport)  # type: ignore[arg-type]
        tls = self.transport.get_extra_info("ssl_object")
        self._peer = None if tls is None else peer_of(tls)

    def on_message_begin(self) -> None:
        """A request begins on this connection."""
        super().on_message_begin()
        self.scope[PEER] = self._peer  # type: ignore[literal-required]


def peer_of(tls: ssl.SSLObject) -> Peer | None:
    """The peer of a finished handshake; None when there is no verified certificate or it names no
    organization.
    """
    encoded, named = tls.getpeercert(binary_form=True), tls.getpeercert()
    if not encoded or not named:
        return None
    subject: dict[str, str] = {}
    for part in named.get("subject", ()):
        for name, value in part:  # type: ignore[str-unpack]
            subject[str(name)] = str(value)
    tenant = subject.get("organizationName", "")
    if not tenant or "\0" in tenant:
        return None
    gateway_id, epoch = "", 0
    for other in named.get("subjectAltName", ()):
        found = _GATEWAY.fullmatch(str(other[1])) if other[0] == "URI" else None
        if found:
            gateway_id, epoch = found["id"], int(found["epoch"])
    return Peer(
        tenant,
        subject.get("commonName", ""),
        hashlib.sha256(encoded).hexdigest(),
        gateway_id,
        epoch,
        float(ssl.cert_time_to_seconds(str(named["notAfter"]))),
    )
