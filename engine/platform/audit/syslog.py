"""Audit messages over syslog TLS: framing by RFC 5425, the header by RFC 5424, its fields by PS3.15 A.6."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import ConfigError
from engine.platform.audit.chain import Entry
from engine.platform.audit.message import message
from engine.platform.errors import AuditError

DEFAULT_PORT = 6514
_FACILITY_SECURITY = 10
_NOTICE, _WARNING = 5, 4
_MESSAGE_ID = "DICOM+RFC3881"
_BOM = b"\xef\xbb\xbf"
_NOT_PRINTED = re.compile(r"[^!-~]")
_PATIENCE = 30.0


@dataclass(frozen=True)
class SyslogServer:
    """Where messages go. `certificate` and `key` are this side's, where the server asks for them."""

    host: str
    port: int
    ca: Path
    certificate: Path | None = None
    key: Path | None = None

    @property
    def name(self) -> str:
        """What the database knows the destination by."""
        return f"syslog:{self.host}:{self.port}"


def framed(entry: Entry, hostname: str, process: int) -> bytes:
    """One syslog message of a row with its length before it."""
    severity = _NOTICE if entry.outcome == "success" else _WARNING
    when = datetime.fromtimestamp(entry.time / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    host = _NOT_PRINTED.sub("", hostname)[:255] or "-"
    header = f"<{_FACILITY_SECURITY * 8 + severity}>1 {when} {host} penstock {process} {_MESSAGE_ID} - "
    text = header.encode("ascii") + _BOM + message(entry)
    return b"%d " % len(text) + text


def send(server: SyslogServer, entries: Iterable[Entry]) -> int:
    """Send rows over one connection, and end it in order; the number of rows.

    Syslog has no acknowledgement. That the server has answered the end of the TLS connection, and has not reset it,
    is the best sign there is that it took everything before. Raises ConfigError for a certificate file that cannot
    be used, AuditError("syslog") otherwise.
    """
    context = _context(server)
    hostname, process = socket.gethostname(), os.getpid()
    sent = 0
    try:
        with (
            socket.create_connection((server.host, server.port), timeout=_PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=server.host) as secured,
        ):
            for entry in entries:
                secured.sendall(framed(entry, hostname, process))
                sent += 1
            _end(secured)
    except ssl.SSLCertVerificationError as problem:
        hint = "is it the right server, and its CA in --ca?"
        raise AuditError(
            "syslog", f"the syslog server is not trusted: {problem.verify_message}", hint=hint
        ) from problem
    except OSError as problem:
        why = getattr(problem, "reason", None) or problem.strerror or type(problem).__name__
        raise AuditError(
            "syslog",
            f"cannot hand over to the syslog server: {why}",
            hint="what was sent is sent again",
            retryable=True,
        ) from problem
    return sent


def _end(secured: ssl.SSLSocket) -> None:
    """Say that this was all, and wait for the server to close its side too."""
    try:
        secured.unwrap()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return  # it has closed without a word of farewell, as many do
    except ssl.SSLError as problem:
        if "APPLICATION_DATA_AFTER_CLOSE_NOTIFY" not in str(problem.reason):
            raise


def _context(server: SyslogServer) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # RFC 5425 asks for TLS 1.2. By 1.3 a client believes that all is well before the server has judged its certificate (RFC 8446
    # 4.4.2.4), and what went to a server that then refuses it would count as handed over: syslog acknowledges nothing.
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(server.ca)
        if server.certificate is not None:
            context.load_cert_chain(server.certificate, server.key)
    except (ssl.SSLError, OSError) as problem:
        why = getattr(problem, "reason", None) or problem.strerror or type(problem).__name__
        raise ConfigError(
            "syslog-tls", f"a certificate for the syslog server cannot be used: {why}"
        ) from problem
    return context
