"""One association as requestor, on a blocking socket: negotiate, store, release (PS3.8 section 7)."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine._native.upper_layer import COMMAND, NEED, PDU, MalformedCommand, PduStream, decode_command
from engine.errors import Refusal, TransportError
from engine.scu.proposal import MAX_LENGTH, Agreement, agreed, propose, rejection

C_STORE_RSP = 0x8001
ASSOCIATE_AC, ASSOCIATE_RJ, RELEASE_RQ, RELEASE_RP, ABORT = 2, 3, 5, 6, 7
A_RELEASE_RQ = bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0))
A_RELEASE_RP = bytes((6, 0, 0, 0, 0, 4, 0, 0, 0, 0))
A_ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0))


Send = Callable[[socket.socket, int], None]
"""Puts one C-STORE-RQ and its data set on a socket, under a message ID. OSError as the socket raises it; Refusal if the object
cannot be read to its end."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to call, and how. With `tls` the connection is verified by that context before a byte of DICOM is sent; `server_name`
    is what the peer's certificate must be for, `host` if it is ""."""

    host: str
    port: int
    called: str = "PENSTOCK"
    calling: str = "PENSTOCK_SCU"
    timeout: float = 60.0
    tls: ssl.SSLContext | None = None
    server_name: str = ""

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A C-STORE-RSP: which request it answers, its status (PS3.7 annex C) and the seconds since that
    request began."""

    message_id: int
    status: int
    comment: str
    seconds: float


class Association:
    """Raises TransportError, naming the peer and what to do, whenever the association cannot begin or ends
    early."""

    def __init__(self, target: Target, pairs: Sequence[tuple[str, str]], window: int = 1) -> None:
        self._target = target
        self._stream = PduStream(MAX_LENGTH)
        self._buffer = memoryview(bytearray(65536))
        self._pending: list[Answer] = []
        self._released = False
        self._begun: dict[int, float] = {}
        self._next_id = 0
        self._socket = self._connect()
        try:
            self.agreement = self._negotiate(pairs, window)
        except BaseException:
            self._socket.close()
            raise

    @property
    def outstanding(self) -> int:
        """Requests that are not answered yet."""
        return len(self._begun)

    def store(self, send: Send) -> int:
        """Sends one object; the message ID that its answer will bear."""
        self._next_id = self._next_id % 65535 + 1
        self._begun[self._next_id] = time.perf_counter()
        try:
            send(self._socket, self._next_id)
        except OSError as error:
            raise self._lost(error) from error
        except Refusal as refusal:
            # Half an object is on its way: only an abort tells the peer that the rest will not come.
            raise TransportError(refusal.code, refusal.message, hint="send it again") from refusal
        return self._next_id

    @property
    def is_open(self) -> bool:
        """False once the peer has ended it, as far as that can be seen without waiting."""
        if self._socket.fileno() < 0:
            return False
        waiting, _, _ = select.select([self._socket], [], [], 0)
        return not waiting  # nobody owes us anything between two requests: what comes is an end

    def cut(self) -> None:
        """Ends the connection under another thread that waits on it, which then gets a TransportError."""
        with contextlib.suppress(OSError):  # it is closed already
            self._socket.shutdown(socket.SHUT_RDWR)

    def answer(self) -> Answer:
        """The next C-STORE-RSP; waits for it as long as the target's timeout."""
        while not self._pending:
            self._receive()
        return self._pending.pop(0)

    def release(self) -> None:
        """A-RELEASE, and waits for its confirmation."""
        try:
            self._socket.sendall(A_RELEASE_RQ)
            while not self._released:
                self._receive()
        except OSError as error:
            raise self._lost(error) from error
        finally:
            self._socket.close()

    def abort(self) -> None:
        with contextlib.suppress(OSError):  # it is being given up; the peer may be gone already
            self._socket.sendall(A_ABORT)
        self._socket.close()

    def _connect(self) -> socket.socket:
        target = self._target
        try:
            sock = socket.create_connection((target.host, target.port), min(target.timeout, 10.0))
        except OSError as error:
            reason = (
                "no answer within 10 s" if isinstance(error, TimeoutError) else error.strerror or str(error)
            )
            raise TransportError(
                "unreachable",
                f"cannot connect to {target.where}: {reason}",
                hint="check the host, the port, that the peer is running, and the firewalls between",
                retryable=True,
            ) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls is not None:
            return self._secured(sock, target.tls)
        # The kernel's own timeouts: a Python timeout would cost a poll for each call.
        sock.settimeout(None)
        limit = struct.pack("@ll", int(target.timeout), int(target.timeout % 1 * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        return sock

    def _secured(self, sock: socket.socket, context: ssl.SSLContext) -> socket.socket:
        target = self._target
        sock.settimeout(target.timeout)  # OpenSSL reads on when the kernel's own timeout strikes
        try:
            return context.wrap_socket(sock, server_hostname=target.server_name or target.host)
        except OSError as error:
            sock.close()
            raise TransportError(
                "tls-failed",
                f"no TLS connection with {target.where} comes about: {_why(error)}",
                hint="check the CA, the certificates, the host name, and that the peer speaks TLS on this port",
                retryable=True,
            ) from error

    def _negotiate(self, pairs: Sequence[tuple[str, str]], window: int) -> Agreement:
        target = self._target
        request, meaning = propose(target.called, target.calling, pairs, window)
        try:
            self._socket.sendall(request)
            pdu = self._first_pdu()
        except OSError as error:
            raise self._lost(error) from error
        if pdu[0] == ASSOCIATE_RJ:
            raise rejection(pdu, target.where, target.called, target.calling)
        if pdu[0] != ASSOCIATE_AC:
            raise self._ended("answered the association request with something else")
        try:
            agreement = agreed(pdu, meaning)
        except (ValueError, AssertionError, KeyError, IndexError, TypeError, struct.error) as error:
            raise self._ended("answered the association request with a malformed A-ASSOCIATE-AC") from error
        self._stream.associate()
        return agreement

    def _first_pdu(self) -> bytes:
        event = self._next_event()
        if event != PDU:
            raise self._ended("does not speak DICOM")
        if self._stream.pdu[0] == ABORT:
            raise self._aborted(self._stream.pdu)
        return self._stream.pdu

    def _next_event(self) -> int:
        """Waits for the next command set or PDU."""
        while (event := self._stream.next()) == NEED:
            try:
                count = self._socket.recv_into(self._buffer)
                # The kernel forgets this wish; without it an ACK may wait 40 ms for company, and a peer
                # that writes twice for it.
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            except OSError as error:
                raise self._lost(error) from error
            if count == 0:
                raise self._ended("closed the connection")
            self._stream.feed(self._buffer, count)
        return event

    def _receive(self) -> None:
        event = self._next_event()
        if event == COMMAND:
            self._take_response(self._stream.command)
        elif event == PDU:
            self._take_pdu(self._stream.pdu)
        else:
            raise self._ended("broke the protocol")

    def _take_response(self, data: bytes) -> None:
        try:
            command = decode_command(data)
        except MalformedCommand as error:
            raise self._ended("sent a malformed command set") from error
        begun = self._begun.pop(command.responded_to, None)
        if command.field != C_STORE_RSP or begun is None:
            raise self._ended("answered something that was not asked")
        comment = command.comment.decode("latin-1").strip("\0 ")
        printable = "".join(c if c.isprintable() else "?" for c in comment)
        self._pending.append(
            Answer(command.responded_to, command.status, printable, time.perf_counter() - begun)
        )

    def _take_pdu(self, pdu: bytes) -> None:
        if pdu[0] == RELEASE_RP:
            self._released = True
        elif pdu[0] == RELEASE_RQ:
            self._socket.sendall(A_RELEASE_RP)
            raise self._ended("released the association")
        elif pdu[0] == ABORT:
            raise self._aborted(pdu)
        else:
            raise self._ended("sent a PDU that does not belong into an open association")

    def _aborted(self, pdu: bytes) -> TransportError:
        return self._ended(f"aborted the association (source {pdu[8]}, reason {pdu[9]})")

    def _lost(self, error: OSError) -> TransportError:
        if isinstance(error, BlockingIOError | TimeoutError):
            return self._ended(f"did nothing for {self._target.timeout:g} s")
        return self._ended(f"lost the connection: {error.strerror or error}")

    def _ended(self, what: str) -> TransportError:
        return TransportError(
            "association-ended",
            f"{self._target.where} {what}",
            hint="see the peer's log; what it did not confirm has to be sent again",
            retryable=True,
        )


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return str(getattr(error, "reason", None) or error.strerror or type(error).__name__)
