"""The Unix socket run/keeper.sock. Who connects gets the keys as soon as they are here; what is sent to us is not read.

    answer: number of keys (1 byte), then 32 bytes each, the one in force first; then the end. Nothing at all: try again.

The kernel says whose process connects (SO_PEERCRED): this user's or root's, all others get nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from pathlib import Path

from engine import log
from engine.keeper.page import SecretPage

NAME = "keeper.sock"
GIVE_SECONDS = 10.0
MOST_WAITING = 512
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
_LOG = log.get("keeper")


class Door:
    """Serves one page of keys. `changed` after the page was filled or wiped. Lives in one event loop."""

    def __init__(self, run_dir: Path, page: SecretPage) -> None:
        self._run_dir, self._page = run_dir, page
        self._event = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._waiting = 0

    async def open(self) -> None:
        """Listen. A socket that a dead keeper left is taken over."""
        listening = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        folder = os.open(self._run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(NAME, dir_fd=folder)
            # Paths of more than 107 bytes do not fit a socket's address: hence by the folder's descriptor.
            listening.bind(f"/proc/self/fd/{folder}/{NAME}")
            os.chmod(NAME, 0o600, dir_fd=folder)
            listening.listen(MOST_WAITING)
        finally:
            os.close(folder)
        self._server = await asyncio.start_unix_server(self._visit, sock=listening)

    def changed(self) -> None:
        """The page has keys now, or has none any more."""
        if self._page.filled:
            self._event.set()
        else:
            self._event.clear()

    async def close(self) -> None:
        """Take the socket away; who still waits gets nothing."""
        (self._run_dir / NAME).unlink(missing_ok=True)
        if self._server is not None:
            self._server.close()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._waiting += 1
        try:
            if self._is_ours(writer) and self._waiting <= MOST_WAITING and await self._until_filled(reader):
                async with asyncio.timeout(GIVE_SECONDS):
                    writer.write(bytes([len(self._page.key_ids)]))
                    with self._page.view() as keys:
                        writer.write(keys)
                    await writer.drain()
        except (ConnectionError, TimeoutError):
            return  # the visitor has gone
        finally:
            self._waiting -= 1
            writer.close()

    async def _until_filled(self, reader: asyncio.StreamReader) -> bool:
        """True when there are keys; False when the visitor has gone before."""
        filled = asyncio.create_task(self._event.wait())
        gone = asyncio.create_task(reader.read(1))  # a byte or an end: both are not what a visitor does
        done, _ = await asyncio.wait({filled, gone}, return_when=asyncio.FIRST_COMPLETED)
        for task in (filled, gone):
            task.cancel()
        await asyncio.gather(filled, gone, return_exceptions=True)
        return filled in done and self._page.filled

    def _is_ours(self, writer: asyncio.StreamWriter) -> bool:
        connected: socket.socket = writer.get_extra_info("socket")
        raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        if uid in (os.geteuid(), 0):
            return True
        _LOG.warning("stranger-at-the-door", process=pid, user=uid)
        return False
