"""A TLS server that answers nothing and counts the bytes of application data that it gets; and a relay that counts."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path


class SilentServer:
    """`prepare` may weaken its context."""

    def __init__(
        self, certificate: tuple[Path, Path], prepare: Callable[[ssl.SSLContext], None] | None = None
    ) -> None:
        self.application_bytes = 0
        self.handshakes = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        if prepare is not None:
            prepare(self._context)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as tls:
                    self.application_bytes += len(tls.recv(1000))
            except OSError:
                plain.close()
            self.handshakes += 1

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()


class CountingRelay:
    """Passes bytes on to a port of this machine; `upward` counts what clients sent, encrypted as it is."""

    def __init__(self, port: int) -> None:
        self.upward = 0
        self.connections = 0
        self._to = port
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self._to))
            self._sockets += [client, server]
            for ways in ((client, server, True), (server, client, False)):
                self._threads.append(threading.Thread(target=self._pass_on, args=ways, daemon=True))
                self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if counts:
                    self.upward += len(piece)
                target.sendall(piece)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all connections, and take no more."""
        self._listener.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()


def old_version(context: ssl.SSLContext) -> None:
    """TLS 1.1 at the most."""
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1


def weak_suite(context: ssl.SSLContext) -> None:
    """TLS 1.2 without AEAD."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES256-SHA384")
