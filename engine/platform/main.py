"""`penstock platform`: opens the storage, then serves until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
import uvloop

from engine import log
from engine.config import PlatformConfig
from engine.errors import ConfigError
from engine.platform.app import Platform, make_app
from engine.platform.commit import Committer
from engine.platform.keys import MasterKey, SigningKey
from engine.platform.library import Library
from engine.platform.storage import Storage
from engine.platform.tls import PeerProtocol, server_context, use_tls

GRACE_SECONDS = 20
_LOG = log.get("platform")


def run(config: PlatformConfig, *, workers: int = 1) -> int:
    """Serve until SIGTERM or SIGINT; requests that are in flight then have GRACE_SECONDS to end. Returns 0.

    Raises ConfigError when a file of the configuration cannot be used or the address is taken.
    """
    log.configure(config.log.level)
    settings = config.platform
    context = server_context(settings.certificate, settings.key, settings.client_ca)
    master = MasterKey.load(settings.master_key_file)
    storage = Storage.open(settings.storage)
    signing = SigningKey.load_or_make(storage.root / "signing-key")
    moved, removed = storage.recover()
    listening = listen(settings.host, settings.port)
    _LOG.info(
        "listening",
        host=settings.host,
        port=listening.getsockname()[1],
        master_key=master.key_id,
        signing_key=signing.key_id,
        moved=moved,
        removed=removed,
    )
    committer = Committer(storage)
    library = Library(storage, master)
    committer.start()
    try:
        app = make_app(Platform(storage, master, signing, committer, library))
        server = uvicorn.Server(
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
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_context_factory=use_tls(context),
            )
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve(sockets=[listening]))
    finally:
        committer.stop()
        library.close()
    _LOG.info("stopped")
    return 0


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
