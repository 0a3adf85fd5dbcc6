"""The uploader role: finds what is ready, sends it, and ends in order."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from engine import log
from engine.config import GatewayConfig
from engine.errors import ConfigError
from engine.spool.hints import HintInbox
from engine.spool.layout import Spool
from engine.uploader.backlog import Backlog, parse_hint, scan
from engine.uploader.client import Client
from engine.uploader.courier import Courier, Work
from engine.uploader.notice import Notice
from engine.uploader.settling import Settling

SCAN_SECONDS = 5.0
LOOK_SECONDS = 0.25
DRAIN_SECONDS = 30.0
_LOG = log.get("uploader")


def run(config: GatewayConfig) -> int:
    """Send until SIGTERM or SIGINT; requests under way then have DRAIN_SECONDS to end. Returns 0.

    Raises ConfigError when a certificate file cannot be used and SpoolError when the spool cannot. It never
    reads the hash secret.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config))
    return 0


async def _serve(config: GatewayConfig) -> None:
    spool = Spool.open(config.spool.path, create=False)
    if config.uploader is None:
        raise ConfigError("no-uploader", "uploader is missing")
    client = Client(config.uploader)
    settling = Settling(spool, config.spool.max_bytes)
    await settling.start()
    notice = Notice(spool.run)
    try:
        with HintInbox(spool.run, "uploader") as inbox:
            work = Work(config.uploader, spool, client, settling, notice, Backlog())
            await _send(work, inbox)
    finally:
        await client.close()
        await settling.stop()
        notice.close()


async def _send(work: Work, inbox: HintInbox) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(inbox.fileno(), lambda: _take_hints(work.backlog, inbox))
    couriers = [Courier(work) for _ in range(work.settings.requests_in_flight)]
    scanning = asyncio.create_task(_scan(work))
    tasks = [asyncio.create_task(courier.run()) for courier in couriers]
    stopping = asyncio.create_task(stop.wait())
    _LOG.info("ready", requests=len(couriers))
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
        _LOG.info("stopped", delivered=work.delivered, left=len(work.backlog))


async def _drain(couriers: list[Courier], tasks: list[asyncio.Task[None]]) -> None:
    for courier, task in zip(couriers, tasks, strict=True):
        courier.stopping = True
        if not courier.busy:
            task.cancel()
    _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
    if late:
        _LOG.warning("requests-cut-off", requests=len(late))


async def _scan(work: Work) -> None:
    """What hints did not tell: at the start everything, later what was lost.

    The kernel holds few datagrams for a busy process (net.unix.max_dgram_qlen, often 10), so hints are lost
    when most arrives. After activity, a backlog that has become empty is checked at once; else now and
    then.
    """
    loop = asyncio.get_running_loop()
    delivered, scanned = -1, 0.0
    while True:
        idle_again = work.delivered != delivered and not len(work.backlog)
        if idle_again or loop.time() - scanned >= SCAN_SECONDS:
            delivered, scanned = work.delivered, loop.time()
            work.backlog.offer(await asyncio.to_thread(scan, work.spool))
        await asyncio.sleep(LOOK_SECONDS)


def _take_hints(backlog: Backlog, inbox: HintInbox) -> None:
    keys = (parse_hint(word) for word in inbox.receive())
    backlog.offer(key for key in keys if key is not None)
