"""A strict reader of syslog frames (RFC 5425, RFC 5424), and a TLS server that keeps what it is sent."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_LENGTH = re.compile(rb"[1-9][0-9]{0,9} ")
_HEADER = re.compile(
    rb"<(?P<priority>0|[1-9][0-9]{0,2})>(?P<version>[1-9][0-9]{0,2})"
    rb" (?P<time>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{1,6}(?:Z|[+-]\d{2}:\d{2}))"
    rb" (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<process>[!-~]{1,128}) (?P<message_id>[!-~]{1,32})"
    rb" - \xef\xbb\xbf"
)


@dataclass(frozen=True)
class SyslogMessage:
    """One message; `message` is what follows the byte order mark."""

    priority: int
    version: int
    time: str
    host: str
    app: str
    process: str
    message_id: str
    message: bytes


def parse_frames(stream: bytes) -> list[SyslogMessage]:
    """All messages of a stream. Anything that the two documents do not allow is an AssertionError."""
    found = []
    while stream:
        length = _LENGTH.match(stream)
        assert length, f"no length: {stream[:40]!r}"
        begin, size = length.end(), int(length[0])
        frame, stream = stream[begin : begin + size], stream[begin + size :]
        assert len(frame) == size, "the stream ended inside a frame"
        header = _HEADER.match(frame)
        assert header, f"no header: {frame[:120]!r}"
        texts = {name: value.decode("ascii") for name, value in header.groupdict().items()}
        frame[header.end() :].decode("utf-8")
        found.append(
            SyslogMessage(
                int(texts.pop("priority")), int(texts.pop("version")), message=frame[header.end() :], **texts
            )
        )
    return found


@dataclass
class TlsSyslogServer:
    """Listens on a free port and keeps what each connection sends. With `client_ca` clients need a certificate.

    `cut_after`: resets the connection when so many bytes have come, as a server that dies does.
    """

    certificate: tuple[Path, Path]
    client_ca: Path | None = None
    cut_after: int | None = None
    connections: list[bytes] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*self.certificate)
        if self.client_ca is not None:
            self._context.load_verify_locations(self.client_ca)
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_problem: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            with plain:
                try:
                    with self._context.wrap_socket(plain, server_side=True) as secured:
                        self.connections.append(self._take(secured))
                except OSError as problem:
                    self.failures.append(type(problem).__name__)

    def _take(self, secured: ssl.SSLSocket) -> bytes:
        taken = b""
        while piece := secured.recv(65536):
            taken += piece
            if self.cut_after is not None and len(taken) >= self.cut_after:
                secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                break
        return taken

    @property
    def messages(self) -> list[SyslogMessage]:
        """What came, in order."""
        return [one for connection in self.connections for one in parse_frames(connection)]
