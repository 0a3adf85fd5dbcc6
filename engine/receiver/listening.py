"""The listening socket, and how several processes share it."""

from __future__ import annotations

import asyncio
import mmap
import socket
from collections.abc import Callable

from engine import log
from engine.errors import TransportError

BACKLOG = 1024
YIELD = 0.02  # seconds that a busier process gives a less busy one
AT_ONCE = 64  # callers taken before associations get their turn again
_LOG = log.get("receiver")


def listen(host: str, port: int) -> socket.socket:
    """The listening socket. TransportError if it cannot be had.

    Receiver processes inherit it: none that the kernel let in is lost when one of them dies, as it would be
    with a socket for each (SO_REUSEPORT)."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from error
    listener.setblocking(False)
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> TransportError:
    return TransportError(
        "cannot-listen",
        f"cannot listen on {host}:{port}: {error.strerror or error}",
        hint="stop what uses the port (ss -ltnp shows it), or change receiver.host or receiver.port",
    )


class Shares:
    """How many connections each process has, in memory that they share; each writes its own number alone."""

    def __init__(self, processes: int) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * processes)).cast("I")

    def set(self, process: int, count: int) -> None:
        self._counts[process] = count

    def has_more(self, process: int) -> bool:
        """True if another process has fewer connections than this one."""
        return self._counts[process] > min(self._counts)


class Acceptor:
    """One process's part of the listening socket. `count()` tells how many connections it has.

    A process that has more than another leaves the caller to it for 20 ms: associations are few and last
    long, so that chance alone would often put two of them on one core."""

    def __init__(
        self,
        listener: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        shares: Shares,
        process: int,
        count: Callable[[], int],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._protocol = protocol
        self._shares = shares
        self._process = process
        self._count = count
        self._tasks: set[asyncio.Task[object]] = set()
        self._waiting: asyncio.TimerHandle | None = None
        self._loop.add_reader(listener.fileno(), self._ready)

    def close(self) -> None:
        """Takes nobody more. The socket itself is closed when the last process does so."""
        if self._waiting is not None:
            self._waiting.cancel()
        else:
            self._loop.remove_reader(self._listener.fileno())
        self._listener.close()

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
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                _LOG.failure(
                    "not-accepted", error
                )  # gone meanwhile, or no descriptor left: it is tried again
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._connect(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._shares.set(self._process, self._count() + len(self._tasks))
            if self._shares.has_more(self._process):
                return

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:
            connection.close()  # it was gone before it began
