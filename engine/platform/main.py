"""`penstock platform`: opens the storage, then serves until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Iterator

import uvicorn
import uvloop

from engine import log
from engine.config import PlatformConfig
from engine.errors import ConfigError
from engine.platform.app import Platform, make_app
from engine.platform.commit import Committer
from engine.platform.keys import MasterKey, SigningKey
from engine.platform.library import Library
from engine.platform.processes import Family
from engine.platform.storage import Storage
from engine.platform.tls import PeerProtocol, server_context, use_tls
from engine.process import leave_no_traces

GRACE_SECONDS = 20
KEEP_ALIVE_SECONDS = 75  # longer than clients keep idle connections, so that none is closed under a request
_LOG = log.get("platform")


def run(config: PlatformConfig, *, workers: int = 1) -> int:
    """Serve by `workers` processes until SIGTERM or SIGINT; requests under way then have GRACE_SECONDS to
    end.

    Returns the exit code, 0 if all went well. Raises ConfigError when a file of the configuration cannot be
    used or the address is taken.
    """
    log.configure(config.log.level)
    leave_no_traces()
    settings = config.platform
    context = server_context(settings.certificate, settings.key, settings.client_ca)
    master = MasterKey.load(settings.master_key_file)
    storage = Storage.open(settings.storage)
    signing = SigningKey.load_or_make(storage.root / "signing-key")
    with listen(settings.host, settings.port) as listening, storage.hold():
        moved, removed = storage.recover()
        _LOG.info(
            "listening",
            host=settings.host,
            port=listening.getsockname()[1],
            master_key=master.key_id,
            signing_key=signing.key_id,
            moved=moved,
            removed=removed,
        )

        def serve() -> int:
            return _serve(listening, context, storage, master, signing)

        code = serve() if workers == 1 else Family(workers, serve).run()
    _LOG.info("stopped")
    return code


def _serve(
    listening: socket.socket,
    context: ssl.SSLContext,
    storage: Storage,
    master: MasterKey,
    signing: SigningKey,
) -> int:
    committer = Committer(storage)
    library = Library(storage, master)
    committer.start()
    try:
        app = make_app(Platform(storage, master, signing, committer, library))
        server = _Server(
            uvicorn.Config(
                app,
                http=PeerProtocol,
                ws="none",
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_context_factory=use_tls(context),
            )
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve(sockets=[listening]))
    finally:
        committer.stop()
        library.close()
        storage.close()
    return 0


class _Server(uvicorn.Server):
    """uvicorn's server, ending by returning: its own way raises the signal again, and nothing after it
    would run.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT begin the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError that says who could be in the way."""
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
            hint="another process may have the port: choose another `platform.port`",
        ) from problem
    return listening
