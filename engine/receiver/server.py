"""One receiver process: its event loop, its deadlines, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
import time
from typing import Any

import uvloop

from engine import log
from engine.config.gateway import GatewayConfig
from engine.metrics.meter import Meter
from engine.receiver.admission import Gate
from engine.receiver.association import Association
from engine.receiver.limits import Limits
from engine.receiver.listening import Acceptor, Shares
from engine.receiver.services import Counters, Services
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


class Server:
    """Accepts associations on `listener` until `stop`; `serve` returns when the last one is over."""

    def __init__(
        self,
        config: GatewayConfig,
        process: int = 0,
        limits: Limits | None = None,
        shares: Shares | None = None,
    ) -> None:
        self._config = config
        self._shares = shares or Shares(process + 1)
        self._limits = limits or Limits()
        self._process = process
        self._stopping: asyncio.Event | None = None

    async def serve(self, listener: socket.socket) -> int:
        """0, or BROKEN if the disk failed: then another process has to take over."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_exception)
        stopping = self._stopping = asyncio.Event()
        services = self._services(loop)
        acceptor = Acceptor(
            listener,
            lambda: Association(services),
            self._shares,
            self._process,
            lambda: len(services.connections),
        )
        _LOG.info("listening", port=listener.getsockname()[1], process=self._process)
        try:
            while not stopping.is_set() and not services.intake.broken:
                await self._pause(stopping)
                self._look(services, time.monotonic())
                acceptor.tell()
            services.draining = True
            acceptor.close()
            await self._drain(services)
        finally:
            services.intake.close()
            services.hints.close()
        return BROKEN if services.intake.broken else 0

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
            services.counters.commits.add()
            services.counters.commit_seconds.add(group.seconds)
            services.hints.send([incoming.identifier for incoming, error in group.results if error is None])

        nursery = Nursery(spool.run, name)
        services = Services(
            config=config,
            limits=self._limits,
            spool=spool,
            intake=Intake(spool, nursery, budget, config.spool.durability, tell, after),
            gate=Gate(config.spool, budget),
            hints=HintOutbox(spool.run, "coordinator"),
            counters=Counters(Meter.attach(spool.run, name)),
            process=self._process,
        )
        return services

    async def _pause(self, stopping: asyncio.Event) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), self._limits.sweep)

    @staticmethod
    def _look(services: Services, now: float) -> None:
        for association in tuple(services.connections):
            association.look(now)

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
    config: GatewayConfig, listener: socket.socket, process: int = 0, shares: Shares | None = None
) -> int:
    """Runs one receiver process until SIGTERM or SIGINT; its exit code."""
    _allow_descriptors(Limits().connections + 256)

    async def main() -> int:
        server = Server(config, process, shares=shares)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        return await server.serve(listener)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
