"""One receiver process: its event loop, its deadlines, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import resource
import signal
import socket
import time
from typing import Any

import uvloop

from engine import log
from engine.allocator import Tidying
from engine.config.gateway import GatewayConfig
from engine.metrics.meter import Meter
from engine.receiver.admission import Gate
from engine.receiver.association import Association
from engine.receiver.limits import Limits
from engine.receiver.listening import Acceptor, Handshakes, Listeners, Shares
from engine.receiver.observing import Observer
from engine.receiver.peers import Peers
from engine.receiver.services import Counters, Services
from engine.receiver.slowing import Brake
from engine.receiver.tls import Certificates, why
from engine.spool.budget import Budget
from engine.spool.hints import HintOutbox
from engine.spool.intake import Group, Intake
from engine.spool.layout import Spool
from engine.spool.nursery import Nursery

BROKEN = 3
_LOG = log.get("receiver")


def _log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG001
    """A mistake of ours in one association: the loop has closed its connection, the others go on."""
    error = context.get("exception")
    if isinstance(error, BaseException):
        _LOG.failure("association-failed", error)
    else:
        _LOG.error("event-loop-complained")


def _note_failure(counters: Counters, error: BaseException, address: str) -> None:
    reason = why(error)
    counters.handshake_failed(reason).add()
    _LOG.warning("handshake-failed", why=reason, address=address)


class Server:
    """Accepts associations on its listeners until `stop`; `serve` returns when the last one is over."""

    def __init__(
        self,
        config: GatewayConfig,
        process: int = 0,
        limits: Limits | None = None,
        shares: Shares | None = None,
    ) -> None:
        self._config = config
        self._shares = shares or Shares(process + 1, len(config.receiver.peers))
        self._limits = limits or Limits()
        self._process = process
        self._stopping: asyncio.Event | None = None

    async def serve(self, listeners: Listeners) -> int:
        """0, or BROKEN if the disk failed: then another process has to take over. ConfigError if TLS cannot be."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_exception)
        stopping = self._stopping = asyncio.Event()
        tls = self._config.receiver.tls
        certificates = None if tls is None else Certificates(tls)
        services = self._services(loop)
        acceptors = self._acceptors(services, listeners, certificates)
        for acceptor in acceptors:
            _LOG.info("listening", port=acceptor.port, process=self._process)
        tidying = Tidying()
        try:
            while not stopping.is_set() and not services.intake.broken:
                await self._pause(stopping)
                self._look(services, time.monotonic())
                tidying.look()
                acceptors[0].tell()
                if certificates is not None:
                    certificates.refresh()
            services.draining = True
            services.brake.end()
            for acceptor in acceptors:
                acceptor.close()
            await self._drain(services)
        finally:
            services.intake.close()
            services.hints.close()
        return BROKEN if services.intake.broken else 0

    def _acceptors(
        self, services: Services, listeners: Listeners, certificates: Certificates | None
    ) -> list[Acceptor]:
        acceptors: list[Acceptor] = []

        def count() -> int:
            return len(services.connections) + sum(one.pending for one in acceptors)

        def add(listener: socket.socket, handshakes: Handshakes | None, *, secured: bool) -> None:
            def protocol() -> Association:
                return Association(services, secured=secured)

            acceptors.append(Acceptor(listener, protocol, self._shares, self._process, count, handshakes))

        add(listeners.plain, None, secured=False)
        if listeners.secured is not None and certificates is not None:
            limits = self._limits
            handshakes = Handshakes(
                lambda: certificates.context,
                limits.handshake,
                limits.closing,
                limits.handshakes,
                functools.partial(_note_failure, services.counters),
            )
            add(listeners.secured, handshakes, secured=True)
        return acceptors

    def stop(self) -> None:
        """Begins the end. Call on the event loop."""
        if self._stopping is not None:
            self._stopping.set()

    def _services(self, loop: asyncio.AbstractEventLoop) -> Services:
        config = self._config
        spool = Spool.open(config.spool.path)
        name = "receiver" if self._process == 0 else f"receiver-{self._process}"
        budget = Budget.attach(spool.run, name, config.spool.max_bytes)

        def tell(group: Group) -> None:
            loop.call_soon_threadsafe(services.intake.settle, group)

        def after(group: Group) -> None:
            loop.call_soon(services.intake.prepare)  # when the loop has put the answers on their sockets
            services.counters.commits.add()
            services.counters.commit_seconds.add(group.seconds)
            services.observer.group(group)
            services.hints.send([incoming.identifier for incoming, error in group.results if error is None])

        nursery = Nursery(spool.run, name)
        meter = Meter.attach(spool.run, name)
        services = Services(
            config=config,
            limits=self._limits,
            spool=spool,
            intake=Intake(spool, nursery, budget, config.spool.durability, tell, after),
            gate=Gate(config.spool, budget),
            brake=Brake(config.spool, budget, self._shares, self._process, time.monotonic),
            hints=HintOutbox(spool.run, "coordinator"),
            counters=Counters(meter),
            observer=Observer(meter),
            peers=Peers(config.receiver, self._process, self._shares, meter),
            process=self._process,
        )
        return services

    async def _pause(self, stopping: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), self._limits.sweep)

    @staticmethod
    def _look(services: Services, now: float) -> None:
        if not services.draining:
            services.brake.look()
        for association in tuple(services.connections):
            association.look(now)
        open_now = sum(association.is_open for association in services.connections)
        services.observer.look(
            associations=open_now, is_open=services.gate.is_open(), is_slow=services.brake.is_on
        )

    async def _drain(self, services: Services) -> None:
        since = time.monotonic()
        _LOG.info("draining", connections=len(services.connections))
        while services.connections:
            now = time.monotonic()
            self._look(services, now)
            for association in tuple(services.connections):
                association.drain(now, since)
            await asyncio.sleep(min(self._limits.sweep, 0.1))


def _allow_descriptors(wanted: int) -> None:
    """Many systems give a process 1,024 descriptors and let it ask for more: one for each connection and each object."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


def serve_process(
    config: GatewayConfig, listeners: Listeners, process: int = 0, shares: Shares | None = None
) -> int:
    """Runs one receiver process until SIGTERM or SIGINT; its exit code."""
    _allow_descriptors(Limits().connections + 256)

    async def main() -> int:
        server = Server(config, process, shares=shares)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        return await server.serve(listeners)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
