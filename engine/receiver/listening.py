"""The listening socket, and how several processes share it."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from engine import log
from engine.errors import TransportError

BACKLOG = 1024
YIELD = 0.02  # seconds that a busier process gives a less busy one
AT_ONCE = 64  # callers taken before associations get their turn again
_LOG = log.get("receiver")


def listen(host: str, port: int, key: str = "receiver") -> socket.socket:
    """The listening socket. TransportError if it cannot be had; `key` is the table of its port.

    Receiver processes inherit it: none that the kernel let in is lost when one of them dies, as it would be
    with a socket for each (SO_REUSEPORT)."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, key, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, key, error) from error
    listener.setblocking(False)
    return listener


def _cannot_listen(host: str, port: int, key: str, error: OSError) -> TransportError:
    return TransportError(
        "cannot-listen",
        f"cannot listen on {host}:{port}: {error.strerror or error}",
        hint=f"stop what uses the port (ss -ltnp shows it), or change receiver.host or {key}.port",
    )


@dataclass(frozen=True, slots=True)
class Listeners:
    """The listening sockets of a receiver: the plain one, and the one for TLS."""

    plain: socket.socket
    secured: socket.socket | None = None

    def close(self) -> None:
        self.plain.close()
        if self.secured is not None:
            self.secured.close()


class Shares:
    """How many connections each process has, and how many associations of each peer, in memory that they share; each writes its
    own numbers alone."""

    def __init__(self, processes: int, peers: int = 0) -> None:
        self._width = 1 + peers
        self._counts = memoryview(mmap.mmap(-1, 4 * processes * self._width)).cast("I")

    def set(self, process: int, count: int) -> None:
        self._counts[process * self._width] = count

    def has_more(self, process: int) -> bool:
        """True if another process has fewer connections than this one."""
        return self._counts[process * self._width] > min(self._counts[:: self._width])

    def add(self, process: int, peer: int, count: int) -> None:
        """`count` associations more of this peer, or fewer."""
        self._counts[process * self._width + 1 + peer] += count

    def of_peer(self, peer: int) -> int:
        """The peer's associations in all processes."""
        return sum(self._counts[1 + peer :: self._width])

    def peers_open(self) -> int:
        """How many peers have an association at least."""
        return sum(self.of_peer(peer) > 0 for peer in range(self._width - 1))

    def forget(self, process: int) -> None:
        """The process is dead."""
        start = process * self._width
        for at in range(start, start + self._width):
            self._counts[at] = 0


@dataclass(frozen=True, slots=True)
class Handshakes:
    """How TLS begins on a port: the context for the next one, its deadline in seconds, the deadline for the end of a connection,
    how many may be under way at once, and whom to tell of one that failed."""

    context: Callable[[], ssl.SSLContext]
    seconds: float
    closing: float
    most: int
    failed: Callable[[BaseException, str], None]


class Acceptor:
    """One process's part of a listening socket. `count()` tells how many connections the process has.

    A process that has more than another leaves the caller to it for 20 ms: associations are few and last
    long, so that chance alone would often put two of them on one core.

    With `handshakes` it speaks TLS. Each handshake is on its own; when too many are under way, the oldest makes room."""

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        shares: Shares,
        process: int,
        count: Callable[[], int],
        handshakes: Handshakes | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._shares = shares
        self._process = process
        self._count = count
        self._handshakes = handshakes
        self._begun: dict[asyncio.Task[object], socket.socket] = {}
        self._shaking: dict[socket.socket, None] = {}  # hands, the oldest first
        self._waiting: asyncio.TimerHandle | None = None
        self._loop.add_reader(listener.fileno(), self._ready)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def pending(self) -> int:
        """Callers that are no connection yet."""
        return len(self._begun)

    def close(self) -> None:
        """Takes nobody more. The socket itself is closed when the last process does so."""
        if self._waiting is not None:
            self._waiting.cancel()
        else:
            self._loop.remove_reader(self._listener.fileno())
        self._listener.close()
        for connection in self._begun.values():
            _hang_up(connection)

    def tell(self) -> None:
        """Brings the shared number up to date, after connections ended."""
        self._shares.set(self._process, self._count())

    def _ready(self) -> None:
        self.tell()
        if self._shares.has_more(self._process):
            self._loop.remove_reader(self._listener.fileno())
            self._waiting = self._loop.call_later(YIELD, self._after_you)
        else:
            self._accept()

    def _after_you(self) -> None:
        self._waiting = None
        self._loop.add_reader(self._listener.fileno(), self._ready)
        self._accept()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Gone meanwhile, or no descriptor left: it is tried again.
                _LOG.failure("not-accepted", error)
                return
            connection.setblocking(False)
            if self._handshakes is None:
                begun = self._connect(connection)
            else:
                begun = self._shake_hands(connection, str(address[0]), self._handshakes)
            task = self._loop.create_task(begun)
            self._begun[task] = connection
            task.add_done_callback(self._begun.pop)
            self.tell()
            if self._shares.has_more(self._process):
                return

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:
            connection.close()  # it was gone before it began

    async def _shake_hands(self, connection: socket.socket, address: str, handshakes: Handshakes) -> None:
        shaking = self._shaking
        shaking[connection] = None
        if len(shaking) > handshakes.most:
            oldest = next(iter(shaking))
            del shaking[oldest]
            _hang_up(oldest)
        try:
            await self._loop.connect_accepted_socket(
                self._protocol,
                connection,
                ssl=handshakes.context(),
                ssl_handshake_timeout=handshakes.seconds,
                ssl_shutdown_timeout=handshakes.closing,
            )
        except OSError as error:
            handshakes.failed(error, address)
            connection.close()
        finally:
            shaking.pop(connection, None)


def _hang_up(connection: socket.socket) -> None:
    """Ends a handshake: the loop, which has its socket, finds it closed."""
    with contextlib.suppress(OSError):  # it ended by itself
        connection.shutdown(socket.SHUT_RDWR)
