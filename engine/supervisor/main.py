"""`penstock up`: the life of a gateway, from the lock on its spool to the last role's end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from engine import log
from engine.allocator import Tidying
from engine.config import GatewayConfig, load_gateway
from engine.errors import PenstockError
from engine.keeper import notice
from engine.keeper.states import KeeperState
from engine.metrics.meter import Meter
from engine.metrics.reading import Snapshot, read
from engine.process import leave_no_traces, tell_service_manager
from engine.spool import associations, workers
from engine.spool.budget import SUPERVISOR, Budget, measure
from engine.spool.hints import HintOutbox
from engine.spool.layout import Spool, remove
from engine.supervisor import preflight, summary
from engine.supervisor.drift import Drift
from engine.supervisor.forecast import Forecast
from engine.supervisor.gauges import Gauges
from engine.supervisor.notes import notes
from engine.supervisor.reload import difference
from engine.supervisor.roles import Role, roles_of
from engine.supervisor.view import View, view
from engine.supervisor.watch import Watch

LOCK_SECONDS: Final = 5.0  # the processes of a killed predecessor need a moment to die
LOOK_SECONDS: Final = 1.0
COUNT_SECONDS: Final = 60.0
_LOG: Final = log.get("supervisor")


def run(config_path: Path) -> int:
    """Runs the gateway until SIGTERM or SIGINT and its drain; the exit code. PenstockError where it cannot
    go on.
    """
    leave_no_traces()
    config = load_gateway(config_path)
    interactive = sys.stdout.isatty() and sys.stderr.isatty()
    log.configure("error" if interactive else config.log.level, gateway=config.gateway.name)
    spool = Spool.open(config.spool.path)
    lock = spool.lock(wait=LOCK_SECONDS)
    try:
        spool.remake_run()
        discard_parts(spool)
        warnings = preflight.check(config, spool)
        return asyncio.run(Supervisor(config_path, config, spool, lock, warnings, interactive).run())
    finally:
        os.close(lock)


def discard_parts(spool: Spool) -> int:
    """Deletes what was being received and never acknowledged; how many. Only while no receiver lives."""
    parts = list(spool.incoming.iterdir())
    for part in parts:
        remove(part)
    return len(parts)


class Supervisor:
    """All roles of one gateway. `run` is its life."""

    def __init__(
        self,
        config_path: Path,
        config: GatewayConfig,
        spool: Spool,
        lock: int,
        warnings: dict[str, str],
        interactive: bool,
    ) -> None:
        self._config_path = config_path
        self._config = config
        self._spool = spool
        self._warnings = warnings
        self._interactive = interactive
        self._budget = Budget.attach(spool.run, SUPERVISOR, config.spool.max_bytes)
        self._budget.add(measure(spool))
        self._meter = Meter.attach(spool.run, "supervisor")
        self._forecast = Forecast()
        self._gauges = Gauges(self._meter, spool, self._budget, self._forecast, config.spool.max_bytes)
        self._drift = Drift()
        self._next_count = time.monotonic() + COUNT_SECONDS
        self._signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._make: Callable[[Role], Watch] = lambda role: Watch(
            role, config_path, spool.run, lock, self._after_death
        )
        self._watches: dict[str, Watch] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> int:
        """Starts all roles and returns when they have ended. PenstockError when one of them is given up."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._signals.put_nowait, number)
        metrics_port, runner = 0, None
        if self._config.metrics.port:
            from engine.supervisor import health  # aiohttp.web costs 15 MB

            telling = health.Telling(self.numbers, self.states, self.look, self.ports)
            runner, metrics_port = await health.serve(
                self._config.metrics.host, self._config.metrics.port, telling
            )
        looks = asyncio.create_task(self._look_again_and_again())
        try:
            for role in reversed(roles_of(self._config)):  # who takes over first, who lets in last
                self._start(role)
            tell_service_manager("READY=1")
            if self._interactive:
                sys.stdout.write(summary.opening(self._config, self._warnings, metrics_port) + "\n")
                sys.stdout.flush()
            else:
                for code in self._warnings:
                    _LOG.warning(code)
            await self._until_the_end()
        finally:
            looks.cancel()
            for watch in self._watches.values():
                watch.kill()
            if runner is not None:
                await runner.cleanup()
        return 0

    def states(self) -> dict[str, str]:
        """Role → state, for health. A keeper that is up has states of its own."""
        states = {name: str(watch.state) for name, watch in self._watches.items()}
        kept = notice.read(self._spool.run) if states.get("keeper") == "up" else None
        if kept is not None and kept.state is not KeeperState.READY:
            states["keeper"] = str(kept.state)
        return states

    def ports(self) -> list[int]:
        """Where senders call."""
        receiver = self._config.receiver
        return [receiver.port, *([receiver.tls.port] if receiver.tls is not None else [])]

    def look(self, before: Snapshot, after: Snapshot) -> View:
        """The gateway as operators see it."""
        return view(self._config.gateway.name, before, after, running=True, notes=notes(self._spool.run))

    def numbers(self) -> dict[str, float]:
        """All metrics of all processes, with those that only the supervisor can see brought up to date."""
        self._gauges.look(self._watches)
        return read(self._spool.run)

    def _start(self, role: Role) -> None:
        watch = self._make(role)
        if self._interactive:
            watch.stream = lambda reader: asyncio.create_task(_speak(reader))
        self._watches[role.name] = watch
        self._keepers[role.name] = asyncio.create_task(watch.keep())

    async def _until_the_end(self) -> None:
        """Reacts to signals and to roles that are given up."""
        asked: asyncio.Task[signal.Signals] = asyncio.create_task(self._signals.get())
        while True:
            done, _ = await asyncio.wait(
                {asked, *self._keepers.values()}, return_when=asyncio.FIRST_COMPLETED
            )
            if asked in done:
                number = asked.result()
                if number is not signal.SIGHUP:
                    break
                await self._reload()
                asked = asyncio.create_task(self._signals.get())
                continue
            failed = next((watch.failure for watch in self._watches.values() if watch.failure), None)
            asked.cancel()
            await self._drain()
            await asyncio.gather(*self._keepers.values(), return_exceptions=True)
            raise failed or PenstockError("role-ended", "a role ended without being asked")
        await self._drain()

    async def _drain(self) -> None:
        """Receiver, coordinator, uploader, one after the other. A second signal kills what is left."""
        _LOG.info("draining")
        tell_service_manager("STOPPING=1")
        if self._interactive:
            sys.stdout.write("\nfinishing what was received; once more ends it at once\n")
        work = asyncio.create_task(self._drain_in_order())
        again = asyncio.create_task(self._signals.get())
        await asyncio.wait({work, again}, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        if not work.done():
            for watch in self._watches.values():
                watch.kill()
        await work
        self._budget.close()
        _LOG.info("drained")

    async def _drain_in_order(self) -> None:
        for role in roles_of(self._config):
            await self._watches[role.name].drain()

    async def _reload(self) -> None:
        """Reads the configuration again; roles whose sections have changed end in order and start with the
        new one.
        """
        try:
            wanted = load_gateway(self._config_path)
            change = difference(self._config, wanted)
        except PenstockError as error:
            _LOG.failure("reload-refused-the-old-configuration-stays", error)
            return
        self._config = wanted
        if change.workers is not None:
            workers.ask(self._spool.run, change.workers)
            with HintOutbox(self._spool.run, "coordinator") as hints:
                hints.send([workers.WORD])
        for role in change.restart:
            keeper = self._keepers.pop(role.name)
            await self._watches[role.name].drain()
            await asyncio.gather(keeper, return_exceptions=True)
            if role.name == "receiver":
                associations.abort_all(self._spool)
        for role in reversed(change.restart):
            self._start(role)
        _LOG.info("reloaded", restarted=len(change.restart), workers=self._config.pool.workers)

    def _after_death(self, role: Role) -> None:
        """Puts right what a dead process of a role can have left."""
        self._drift.suspected = True
        if role.name == "receiver":
            associations.abort_all(self._spool)
            discard_parts(self._spool)

    async def _look_again_and_again(self) -> None:
        tidying = Tidying()
        while True:
            tidying.look()
            self._forecast.feed(time.monotonic(), self._budget.used())
            self._gauges.look(self._watches)
            self._correct_drift()
            await asyncio.sleep(LOOK_SECONDS)

    def _correct_drift(self) -> None:
        """Counts the spool again: soon after a death, and now and then."""
        now = time.monotonic()
        if not self._drift.suspected and now < self._next_count:
            return
        opened, _ = associations.scan(self._spool)
        measured = 0 if opened else measure(self._spool)
        difference = self._drift.correction(self._budget.used(), measured, quiet=not opened)
        if difference is not None:
            self._next_count = now + COUNT_SECONDS
            self._budget.correct(difference)


async def _speak(reader: asyncio.StreamReader) -> None:
    """Shows a role's warnings and errors in words, until it closes its end."""
    with contextlib.suppress(ValueError):  # a line longer than the reader's limit
        while line := await reader.readline():
            words = summary.spoken(line)
            if words is not None:
                sys.stderr.write(words + "\n")
