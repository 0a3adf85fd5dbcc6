"""Listening and serving, the same for the platform and for the gateway's calculator: uvicorn until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine.errors import ConfigError

ENDING: Final = (signal.SIGTERM, signal.SIGINT)


class Server(uvicorn.Server):
    """uvicorn's server, ending by returning: its own way raises the signal again, and nothing after it would run."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """`serve_all` has taken them."""
        yield


def server(
    app: ASGIApp,
    context: ssl.SSLContext,
    *,
    grace: int,
    keep_alive: int = 5,
    protocol: type[HttpToolsProtocol] = HttpToolsProtocol,
) -> Server:
    """One that says nothing of itself, writes no log of requests and believes no proxy.

    `grace`: seconds that requests under way have at the end; `keep_alive`: seconds that an idle connection stays.
    """
    return Server(
        uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=keep_alive,
            timeout_graceful_shutdown=grace,
            ssl_context_factory=lambda _config, _default: context,
        )
    )


async def serve_all(
    servers: Sequence[Server], sockets: Sequence[socket.socket], early: Sequence[int] = ()
) -> None:
    """Until SIGTERM or SIGINT, which ends all of them; at once if one of these came `early`, before there was a loop."""
    loop = asyncio.get_running_loop()

    def end() -> None:
        for one in servers:
            one.handle_exit(signal.SIGTERM, None)

    for number in ENDING:
        loop.add_signal_handler(number, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    if early:
        end()
    async with asyncio.TaskGroup() as group:
        for one, listening in zip(servers, sockets, strict=True):
            group.create_task(one.serve(sockets=[listening]))


def listen(host: str, port: int, key: str) -> socket.socket:
    """A listening socket; `key` is what the configuration calls the port. Raises ConfigError that says who could be in the way."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(1024)
        except OSError:
            listening.close()
            raise
    except OSError as problem:
        raise ConfigError(
            "address-unusable",
            f"cannot listen at {host} port {port}: {problem.strerror}",
            hint=f"another process may have the port: choose another `{key}`",
        ) from problem
    return listening
