"""`penstock platform`: opens the storage, then serves until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

import uvloop
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from engine import log
from engine.config import PlatformConfig
from engine.errors import PenstockError
from engine.pages.serving import ENDING, listen, serve_all, server
from engine.platform.accounts.people import open_people
from engine.platform.app import Platform, make_app, make_web_app
from engine.platform.assembly import AUDIT_KEY, assembled, open_database
from engine.platform.audit import SYSTEM, Audit, AuditKey
from engine.platform.audit.actor import Outcome
from engine.platform.gateways.authority import GatewayAuthority
from engine.platform.gateways.guard import Guard
from engine.platform.index import Index
from engine.platform.keys import MasterKey, SigningKey
from engine.platform.master_key import must_be_in_force, source_of
from engine.platform.processes import Family
from engine.platform.storage import Storage
from engine.platform.takeover import take_over
from engine.platform.tls import PeerProtocol, server_context, web_context
from engine.process import leave_no_traces, tell_service_manager

if TYPE_CHECKING:
    from engine.platform.bucket import Bucket

GRACE_SECONDS = 20
GARBAGE = 10_000  # new containers between two looks for cycles
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
    settings, web = config.platform, config.web
    contexts = [server_context(settings.certificate, settings.key, settings.client_ca)]
    master = source_of(settings).load()
    storage = Storage.open(settings.storage, _bucket(config))
    signing = SigningKey.load_or_make(storage.root / "signing-key")
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(listen(settings.host, settings.port, "platform.port"))]
        if web is not None:
            contexts.append(web_context(web.certificate or settings.certificate, web.key or settings.key))
            sockets.append(stack.enter_context(listen(web.host, web.port, "web.port")))
        stack.enter_context(storage.hold())
        moved, removed = _prepare(config, storage, master)
        contexts[0].load_verify_locations(cadata=_gateways_ca(config, master))
        ports = [one.getsockname()[1] for one in sockets]
        early = _note_early(workers)
        _LOG.info(
            "listening",
            host=settings.host,
            port=ports[0],
            web_port=ports[1] if web is not None else 0,
            master_key=master.key_id,
            signing_key=signing.key_id,
            moved=moved,
            removed=removed,
        )
        tell_service_manager("READY=1")

        def serve() -> int:
            with assembled(config, storage, master, signing, ports[0]) as platform:
                return _serve(platform, sockets, contexts, early)

        code = serve() if workers == 1 else Family(workers, serve).run()
        _note_end(config, storage, code)
    _LOG.info("stopped")
    return code


def _bucket(config: PlatformConfig) -> Bucket | None:
    if not config.objects.url:
        return None
    from engine.platform.bucket import Bucket

    return Bucket.open(config.objects)


def _prepare(config: PlatformConfig, storage: Storage, master: MasterKey) -> tuple[int, int]:
    """Migrates the database, and finishes what a crash interrupted; how many objects were moved and removed."""
    database = open_database(config)
    try:
        index = Index(database)
        taken = take_over(storage.root, index)
        if taken:
            _LOG.info("index-taken-over", objects=taken)
        must_be_in_force(database, master)
        audit = Audit(database, AuditKey.load_or_make(storage.root / AUDIT_KEY))
        open_people(config.web, database, audit)  # says now what is wrong with its files
        audit.record("platform-started", actor=SYSTEM, tenant=None, outcome="success")
        return storage.recover(index)
    finally:
        database.close()  # a connection must not be forked


def _note_end(config: PlatformConfig, storage: Storage, code: int) -> None:
    """The end in the audit trail. A database that is away keeps nobody from ending."""
    try:
        database = open_database(config, migrate=False)
        try:
            audit = Audit(database, AuditKey.load(storage.root / AUDIT_KEY))
            outcome: Outcome = "failed" if code else "success"
            audit.record("platform-stopped", actor=SYSTEM, tenant=None, outcome=outcome)
        finally:
            database.close()
    except (PenstockError, SQLAlchemyError) as problem:
        _LOG.failure("end-not-noted", problem)


def _gateways_ca(config: PlatformConfig, master: MasterKey) -> str:
    """The certificate of the platform's own authority, PEM: enrolled gateways are clients too."""
    database = open_database(config, migrate=False)
    try:
        return GatewayAuthority.load_or_make(database, master).certificate.decode("ascii")
    finally:
        database.close()


def _serve(
    platform: Platform,
    sockets: Sequence[socket.socket],
    contexts: Sequence[ssl.SSLContext],
    early: Sequence[int],
) -> int:
    apps: list[ASGIApp] = [Guard(make_app(platform), platform.standing), make_web_app(platform)]
    protocols: list[type[HttpToolsProtocol]] = [PeerProtocol, HttpToolsProtocol]
    servers = [
        server(app, context, grace=GRACE_SECONDS, keep_alive=KEEP_ALIVE_SECONDS, protocol=protocol)
        for app, protocol, context in zip(apps, protocols, contexts, strict=False)
    ]
    _spare_the_collector()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_all(servers, sockets, early))
    return 0


def _spare_the_collector() -> None:
    """What is there before the first request stays for good, and is not looked through again and again: with libraries of this
    size that took half of the processor time of an upload.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 20)


def _note_early(workers: int) -> list[int]:
    """The signals that come before the event loop takes them: noted where this process serves, since libraries have threads that
    would take a blocked one; blocked where it forks, so that the children inherit that.
    """
    early: list[int] = []
    if workers > 1:
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    else:
        for number in ENDING:
            signal.signal(number, lambda told, _frame: early.append(told))
    return early
