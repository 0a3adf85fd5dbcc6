"""Hints between processes: short words over Unix datagrams in run/. A hint may be lost; a scan finds what it
told.

    coordinator.sock    "<id>" is in received/ · "-<association>" has ended · "!<pass>/<id>" has a damaged
    plan uploader.sock       "<pass>/<id>" is ready for upload

Nothing blocks: a full or absent socket drops the hint. Paths may be longer than the 108 bytes of a socket
address."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

DATAGRAM = 16384
BUFFER = 1 << 20
_FULL = {errno.EAGAIN, errno.ENOBUFS}
_LOST = {errno.ENOENT, errno.ECONNREFUSED, errno.EAGAIN, errno.ENOBUFS, errno.ECONNRESET, errno.ENOTCONN}


class HintInbox:
    """The receiving end of one role; `fileno()` fits selectors and event loops. One inbox a role: a new one
    takes the name over.
    """

    def __init__(self, run_dir: Path, role: str) -> None:
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        name = f"{role}.sock"
        try:
            with contextlib.suppress(FileNotFoundError):  # the first to bear this name
                os.unlink(name, dir_fd=folder)
            self._socket.bind(f"/proc/self/fd/{folder}/{name}")
        finally:
            os.close(folder)

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self, most: int = 64) -> list[str]:
        """The words of up to `most` waiting datagrams; an empty list when there are none."""
        words: list[str] = []
        for _ in range(most):
            try:
                data = self._socket.recv(DATAGRAM)
            except BlockingIOError:
                break
            words += data.decode("ascii", "replace").split()
        return words

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class HintOutbox:
    """The sending end: words without white space, ASCII, at most 1,000 characters each."""

    def __init__(self, run_dir: Path, role: str) -> None:
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        self._folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._address = f"/proc/self/fd/{self._folder}/{role}.sock"

    def send(self, words: Iterable[str]) -> bool:
        """True if all of it was handed over; False if any was lost."""
        complete = True
        parts: list[str] = []
        length = 0
        for word in words:
            if length + len(word) + 1 > DATAGRAM:
                complete &= self._send_one(parts)
                parts, length = [], 0
            parts.append(word)
            length += len(word) + 1
        return (self._send_one(parts) if parts else True) and complete

    def offer(self, words: Sequence[str]) -> int:
        """How many of the words, from the first on, were handed over. All of them where nobody listens: whoever begins to
        listen scans."""
        handed = 0
        while handed < len(words):
            parts: list[str] = []
            length = 0
            for word in words[handed:]:
                length += len(word) + 1
                if length > DATAGRAM:
                    break
                parts.append(word)
            try:
                self._socket.sendto(" ".join(parts).encode("ascii"), self._address)
            except OSError as error:
                if error.errno in _FULL:
                    return handed
                if error.errno in _LOST:
                    return len(words)
                raise
            handed += len(parts)
        return handed

    def _send_one(self, parts: list[str]) -> bool:
        try:
            self._socket.sendto(" ".join(parts).encode("ascii"), self._address)
        except OSError as error:
            if error.errno not in _LOST:
                raise
            return False
        return True

    def close(self) -> None:
        self._socket.close()
        os.close(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
