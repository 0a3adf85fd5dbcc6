"""A TCP relay with bad weather: each connection through it has a fate of its own, which a seed decides.

sender ──▶ Relay ──▶ receiver          uploader ──▶ Relay ──▶ platform
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

PIECE: Final = 65536
CONNECT_SECONDS: Final = 5.0


class Fate(StrEnum):
    FAIR = "fair"  # everything passes
    RESET = "reset"  # both ends get a RST
    CLOSE = "close"  # both ends get a FIN
    STALL = "stall"  # nothing passes any more, for a time; then a RST
    HALF = "half"  # the answers are lost: what the caller sends passes, what it is sent does not; then a RST


@dataclass(slots=True)
class Relay:
    """Listens on `port` of loopback (0: any free one) and connects to `target`. `bad` is the part of the connections with a
    fate; after so many bytes as the seed says, up to `most`, it strikes. `fates` counts those that did. With `narrow` all
    connections together carry no more than so many bytes a second to the target.
    """

    target: int
    seed: int
    bad: float
    most: int
    stall: float = 2.0
    fates: Counter[Fate] = field(default_factory=Counter)
    port: int = 0
    narrow: float = 0.0
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _listener: socket.socket = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def struck(self) -> int:
        return self.fates.total()

    def close(self) -> None:
        """Takes nobody more; who is connected stays so."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            fate = Fate.FAIR
            if self._chance.random() < self.bad:
                fate = self._chance.choice([Fate.RESET, Fate.CLOSE, Fate.STALL, Fate.HALF])
            after = int(self.most ** self._chance.random())  # as many of a few bytes as of many
            threading.Thread(target=self._relay, args=(caller, fate, after), daemon=True).start()

    def _squeeze(self, count: int) -> None:
        with self._turn:
            time.sleep(count / self.narrow)

    def _relay(self, caller: socket.socket, fate: Fate, after: int) -> None:
        try:
            callee = socket.create_connection(("127.0.0.1", self.target), CONNECT_SECONDS)
        except OSError:
            caller.close()
            return
        callee.settimeout(None)
        for end in (caller, callee):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(caller, callee, fate, after, self._squeeze if self.narrow else None)
        back = threading.Thread(target=link.carry, args=(callee, caller, False), daemon=True)
        back.start()
        link.carry(caller, callee, True)
        back.join()
        if link.struck:
            with self._lock:
                self.fates[fate] += 1
            if fate in {Fate.STALL, Fate.HALF}:
                time.sleep(self.stall)
        link.end(gently=fate in {Fate.FAIR, Fate.CLOSE})


@dataclass(slots=True)
class _Link:
    """The two sockets of one connection."""

    caller: socket.socket
    callee: socket.socket
    fate: Fate
    left: int
    squeeze: Callable[[int], None] | None
    struck: bool = False

    def carry(self, source: socket.socket, sink: socket.socket, out: bool) -> None:
        """One direction, until its end or the strike. The bytes of both directions count together."""
        try:
            while not self.struck:
                data = source.recv(PIECE)
                if not data:
                    break
                if self.fate is not Fate.FAIR and len(data) >= self.left:
                    if out or self.fate is not Fate.HALF:
                        sink.sendall(data[: self.left])
                    self._strike()
                    return
                self.left -= len(data)
                if out and self.squeeze is not None:
                    self.squeeze(len(data))
                sink.sendall(data)
            if not self.struck:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._shut()

    def _strike(self) -> None:
        self.struck = True
        self._shut(only_reading=True)

    def _shut(self, *, only_reading: bool = False) -> None:
        """Wakes the other direction."""
        for end in (self.caller, self.callee):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RD if only_reading else socket.SHUT_RDWR)

    def end(self, *, gently: bool) -> None:
        for one in (self.caller, self.callee):
            if not gently:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()
