"""A data set cut into P-DATA-TF PDUs (PS3.8 section 9.3.5) once, and put on a socket in as few system calls
as there can be."""

from __future__ import annotations

import itertools
import os
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from engine._native.upper_layer import command_pdus, data_header
from engine.errors import Refusal
from engine.sender.source import Cloner, SourceObject

IN_MEMORY = 8 << 20
VECTORS = 512  # below IOV_MAX (1024)
C_STORE_RQ = 0x0001

Vectors = list[bytes | memoryview]


class Framed:
    """An object ready to send in one presentation context, in PDUs no longer than `max_length` bytes.

    Up to 8 MiB its PDUs are built once and kept; what is longer is read by the kernel (`sendfile`) while it
    is sent, so that memory does not grow with the object. Use by one thread; close it."""

    def __init__(
        self, source: SourceObject, context_id: int, max_length: int, *, cloned: bool = False
    ) -> None:
        self.source = source
        self._context_id = context_id
        self._max_length = max_length
        # Fragments are of even length (PS3.8 annex E.2); the six bytes are the PDV's own header.
        self._room = max((max_length - 6) & ~1, 2)
        self._fd = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
        self._cloner = Cloner(source) if cloned else None
        in_head = self._cloner.at + len(source.sop_instance_uid) if self._cloner else 0
        self._head_size = min(-(-in_head // self._room) * self._room, source.size)
        self._head = os.pread(self._fd, self._head_size, source.offset) if in_head else b""
        self._rest: Vectors | None = None
        if source.size <= IN_MEMORY:
            data = memoryview(
                _read_whole(
                    self._fd, source.size - self._head_size, source.offset + self._head_size, source.path
                )
            )
            self._rest = self._frame(data, last=True)

    def close(self) -> None:
        os.close(self._fd)

    def send(self, sock: socket.socket, message_id: int, clone: int | None = None) -> None:
        """Sends C-STORE-RQ and data set. OSError as the socket raises it; Refusal if the file shrank
        meanwhile."""
        uid = self.source.sop_instance_uid
        vectors: Vectors = []
        if self._cloner is not None and clone is not None:
            uid = self._cloner.uid(clone)
            head = bytearray(self._head)
            head[self._cloner.at : self._cloner.at + len(uid)] = uid.encode("ascii")
            vectors = self._frame(memoryview(head), last=self._head_size == self.source.size)
        elif self._head_size:
            vectors = self._frame(memoryview(self._head), last=self._head_size == self.source.size)
        request = command_pdus(
            self._context_id,
            (
                (0x0002, self.source.sop_class_uid),
                (0x0100, C_STORE_RQ),
                (0x0110, message_id),
                (0x0700, 0x0000),  # priority medium
                (0x0800, 0x0001),  # a data set follows
                (0x1000, uid),
            ),
            self._max_length,
        )
        vectors.insert(0, request)
        if self._rest is not None:
            send_all(sock, vectors + self._rest)
            return
        send_all(sock, vectors)
        self._stream(sock)

    def _frame(self, data: memoryview, *, last: bool) -> Vectors:
        vectors: Vectors = []
        size = len(data)
        for at in range(0, size, self._room):
            count = min(self._room, size - at)
            vectors += (
                data_header(self._context_id, count, last and at + count == size),
                data[at : at + count],
            )
        return vectors

    def _stream(self, sock: socket.socket) -> None:
        if isinstance(sock, ssl.SSLSocket):
            self._stream_secured(sock)
            return
        out = sock.fileno()
        at, end = self.source.offset + self._head_size, self.source.offset + self.source.size
        while at < end:
            count = min(self._room, end - at)
            header = data_header(self._context_id, count, at + count == end)
            # MSG_MORE keeps the header back until its data comes, whatever TCP_NODELAY says.
            if sock.send(header, socket.MSG_MORE) != len(header):
                raise BlockingIOError("the peer takes nothing more")
            stop = at + count
            while at < stop:
                sent = os.sendfile(out, self._fd, at, stop - at)
                if sent == 0:
                    raise Refusal("file-shrank", f"{self.source.path} became shorter while it was sent")
                at += sent

    def _stream_secured(self, sock: ssl.SSLSocket) -> None:
        """Through memory: what `sendfile` puts on the socket, nobody encrypts."""
        at, end = self.source.offset + self._head_size, self.source.offset + self.source.size
        while at < end:
            count = min(self._room, end - at)
            data = _read_whole(self._fd, count, at, self.source.path)
            sock.sendall(data_header(self._context_id, count, at + count == end) + data)
            at += count


def send_all(sock: socket.socket, vectors: Sequence[bytes | memoryview]) -> None:
    """Writes every buffer, however often the kernel stops short; by TLS in as few records as there can be."""
    if isinstance(sock, ssl.SSLSocket):
        sock.sendall(b"".join(vectors))
        return
    for start in range(0, len(vectors), VECTORS):
        part = vectors[start : start + VECTORS]
        total = sum(map(len, part))
        sent = sock.sendmsg(part)
        while sent < total:
            part = _after(part, sent)
            total -= sent
            sent = sock.sendmsg(part)


def _after(vectors: Sequence[bytes | memoryview], sent: int) -> Vectors:
    left: Vectors = []
    for vector, end in zip(vectors, itertools.accumulate(map(len, vectors)), strict=True):
        if end > sent:
            left.append(memoryview(vector)[max(0, len(vector) - (end - sent)) :])
    return left


def _read_whole(fd: int, size: int, offset: int, path: Path) -> bytes:
    data = os.pread(fd, size, offset)
    if len(data) != size:
        raise Refusal("file-shrank", f"{path} became shorter while it was read")
    return data
