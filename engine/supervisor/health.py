"""The metrics port, for machines and people inside the hospital's network: numbers and our own words, no identities.

/          a page for people            /metrics   for Prometheus
/healthz   503 if a role is not up      /readyz    503 if no new association is taken
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final

from aiohttp import web

from engine.errors import ConfigError
from engine.metrics.exposition import CONTENT_TYPE, render
from engine.metrics.reading import Snapshot
from engine.supervisor import page
from engine.supervisor.ports import all_listen
from engine.supervisor.view import View

Numbers = Callable[[], Mapping[str, float]]
States = Callable[[], Mapping[str, str]]
Look = Callable[[Snapshot, Snapshot], View]
Ports = Callable[[], Collection[int]]

WELL: Final = frozenset({"up", "waiting", "cut-off"})
"""A gateway that waits for its platform receives and spools: starting it again would not help."""
SHORTEST: Final = 1.0  # seconds between the two snapshots of a page
LONGEST: Final = 60.0
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


class Telling:
    """The handlers. `states` maps roles to "up" or what else they are; `look` makes a view of two snapshots; `ports` are those that
    senders call.
    """

    def __init__(self, numbers: Numbers, states: States, look: Look, ports: Ports) -> None:
        self._ports = ports
        self._numbers = numbers
        self._states = states
        self._look = look
        self._last: Snapshot | None = None

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=render(self._numbers()).encode(), headers=_HEADERS | {"Content-Type": CONTENT_TYPE}
        )

    async def healthz(self, _: web.Request) -> web.Response:
        roles = dict(self._states())
        well = _all_up(roles)
        return web.json_response(
            {"healthy": well, "roles": roles}, status=200 if well else 503, headers=_HEADERS
        )

    async def readyz(self, _: web.Request) -> web.Response:
        """Whether a sender may call: for a load balancer, or whoever starts a migration."""
        now = self._snapshot()
        reasons = []
        if not _all_up(self._states()):
            reasons.append("a role is not up")
        elif not all_listen(self._ports()):
            reasons.append("the receiver does not listen yet")
        if not now.by("penstock_workers", "state").get("working"):
            reasons.append("no worker is ready")
        if now.total("penstock_receiving_refused"):
            reasons.append("the spool is full")
        told = {"ready": not reasons, "reasons": reasons}
        return web.json_response(told, status=503 if reasons else 200, headers=_HEADERS)

    async def index(self, _: web.Request) -> web.Response:
        """The page for people. Its rates need two snapshots that are not too near and not too far."""
        before = self._last
        now = self._snapshot()
        if before is None or not SHORTEST <= now.at - before.at <= LONGEST:
            before = now
            await asyncio.sleep(SHORTEST)
            now = self._snapshot()
        self._last = now
        headers = _HEADERS | {"Content-Security-Policy": page.POLICY}
        return web.Response(
            text=page.render(self._look(before, now)), content_type="text/html", headers=headers
        )

    def _snapshot(self) -> Snapshot:
        return Snapshot(self._numbers(), asyncio.get_running_loop().time())


def _all_up(states: Mapping[str, str]) -> bool:
    return all(state in WELL for state in states.values())


async def serve(host: str, port: int, telling: Telling) -> tuple[web.AppRunner, int]:
    """Listens; (what to clean up at the end, the port). ConfigError if the port cannot be had: a gateway that nobody could
    watch does not start.
    """
    application = web.Application()
    application.router.add_get("/", telling.index)
    application.router.add_get("/metrics", telling.metrics)
    application.router.add_get("/healthz", telling.healthz)
    application.router.add_get("/readyz", telling.readyz)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(
            "cannot-listen",
            f"cannot listen on {host}:{port} (metrics.port): {error.strerror}",
            hint="change metrics.port",
        ) from error
    return runner, int(runner.addresses[0][1])
