"""The uploader role: finds what is ready, sends it to where it goes, and ends in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping

import uvloop

from engine import log
from engine.allocator import Tidying
from engine.config import GatewayConfig
from engine.config.destinations import kind_of
from engine.spool.hints import HintInbox
from engine.spool.layout import Spool
from engine.spool.passfile import destination_of
from engine.uploader.backlog import parse_hint, scan
from engine.uploader.carriers import carrier_for
from engine.uploader.courier import Courier, Work
from engine.uploader.notice import Board, Notice
from engine.uploader.settling import Settling

SCAN_SECONDS = 5.0
LOOK_SECONDS = 0.25
SCAN_SHARE = 10  # a scan that took a second is not repeated for so many
LEAST_SCAN_SECONDS = 0.02
DRAIN_SECONDS = 30.0
_LOG = log.get("uploader")

Works = Mapping[str, Work]
"""Each destination's, by its name."""


def run(config: GatewayConfig) -> int:
    """Send until SIGTERM or SIGINT; requests under way then have DRAIN_SECONDS to end. Returns 0.

    Raises ConfigError when a certificate or password file cannot be used and SpoolError when the spool cannot.
    It never reads the hash secret.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config))
    return 0


async def _serve(config: GatewayConfig) -> None:
    spool = Spool.open(config.spool.path, create=False)
    settling = Settling(spool, config.spool.max_bytes)
    await settling.start()
    board = Board(spool.run)
    works: dict[str, Work] = {}
    try:
        for destination in config.every_destination():
            carrier = carrier_for(destination, spool)
            notice = Notice(board, destination.name, kind_of(destination), carrier.load.requests)
            works[destination.name] = Work(destination, spool, carrier, settling, notice)
        with HintInbox(spool.run, "uploader") as inbox:
            await _send(spool, works, board, inbox)
    finally:
        for work in works.values():
            await work.carrier.close()
        await settling.stop()
        board.close()


async def _send(spool: Spool, works: Works, board: Board, inbox: HintInbox) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ways = Ways(spool, works, board)
    loop.add_reader(inbox.fileno(), lambda: ways.hinted(inbox.receive()))
    couriers = [Courier(work) for work in works.values() for _ in range(work.carrier.load.requests)]
    scanning = asyncio.create_task(ways.look())
    tasks = [asyncio.create_task(courier.run()) for courier in couriers]
    stopping = asyncio.create_task(stop.wait())
    _LOG.info("ready", destinations=len(works), requests=len(couriers))
    try:
        ended, _ = await asyncio.wait([stopping, scanning, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in ended - {stopping}:
            task.result()  # nothing ends by itself but by an error, which ends the process
        await _drain(couriers, tasks)
    finally:
        loop.remove_reader(inbox.fileno())
        for task in (stopping, scanning, *tasks):
            task.cancel()
        await asyncio.gather(stopping, scanning, *tasks, return_exceptions=True)
        delivered = sum(work.delivered for work in works.values())
        left = sum(len(work.backlog) for work in works.values())
        _LOG.info("stopped", delivered=delivered, left=left)


async def _drain(couriers: list[Courier], tasks: list[asyncio.Task[None]]) -> None:
    for courier, task in zip(couriers, tasks, strict=True):
        courier.stopping = True
        if not courier.busy:
            task.cancel()
    _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
    if late:
        _LOG.warning("requests-cut-off", requests=len(late))


class Ways:
    """Brings each object to its destination's backlog, by hints and by scans."""

    def __init__(self, spool: Spool, works: Works, board: Board) -> None:
        self._spool, self._works, self._board = spool, works, board
        self._known: dict[str, str] = {}  # pass → destination, for hints; it never changes
        self._tidying = Tidying()

    def hinted(self, words: list[str]) -> None:
        """Objects that the coordinator says are ready."""
        for word in words:
            key = parse_hint(word)
            if key is None:
                continue
            work = self._works.get(self._destination(key.pass_id))
            if work is not None:
                work.backlog.offer([key])

    async def look(self) -> None:
        """What hints did not tell: at the start everything, later what was lost.

        The kernel holds few datagrams for a busy process (net.unix.max_dgram_qlen, often 10), so hints are lost
        when most arrives. A backlog that has become empty is checked at once; else all is now and then.
        """
        while True:
            took = await self._scan()
            pause = max(LEAST_SCAN_SECONDS, took * SCAN_SHARE)
            await asyncio.sleep(pause)
            await self._until_due(max(SCAN_SECONDS - pause, 0.0))

    async def _until_due(self, most: float) -> None:
        """Return when a backlog has been emptied since the last scan, or after `most` seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + most
        while (left := end - loop.time()) > 0:
            self._count()
            self._tidying.look()
            waiting = [asyncio.ensure_future(work.backlog.emptied.wait()) for work in self._works.values()]
            try:
                done, _ = await asyncio.wait(
                    waiting, timeout=min(left, LOOK_SECONDS), return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for one in waiting:
                    one.cancel()
            if done:
                return

    async def _scan(self) -> float:
        """Offer all that is ready to its destination; the seconds that it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for work in self._works.values():
            work.backlog.emptied.clear()
        found = await asyncio.to_thread(scan, self._spool)
        took = loop.time() - began
        self._known.clear()  # passes come and go
        unknown: dict[str, int] = {}
        for name, keys in found.items():
            if name in self._works:
                self._works[name].backlog.offer(keys)
            elif keys:
                unknown[_sayable(name)] = len(keys)
        self._board.unknown(unknown)
        return took

    def _destination(self, pass_id: str) -> str:
        name = self._known.get(pass_id)
        if name is None:
            name = self._known[pass_id] = destination_of(self._spool, pass_id)
        return name

    def _count(self) -> None:
        for work in self._works.values():
            work.notice.tempo.waits(len(work.backlog))


def _sayable(name: str) -> str:
    """The name as it may be shown: what is damaged on the disk could be any bytes."""
    return name if name.isascii() and name.replace("-", "").isalnum() and len(name) <= 32 else "(damaged)"
