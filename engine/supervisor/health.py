"""/metrics and /healthz over HTTP, for machines inside the hospital's network: numbers only, no identities."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from engine.errors import ConfigError
from engine.metrics.exposition import CONTENT_TYPE, render

Numbers = Callable[[], dict[str, float]]
States = Callable[[], dict[str, str]]


async def serve(host: str, port: int, numbers: Numbers, states: States) -> tuple[web.AppRunner, int]:
    """Listens; (what to clean up at the end, the port). `states` maps roles to "up" or what else they are:
    503 if one is not up.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=render(numbers()).encode(), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_: web.Request) -> web.Response:
        roles = states()
        well = all(state == "up" for state in roles.values())
        return web.json_response({"healthy": well, "roles": roles}, status=200 if well else 503)

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    application.router.add_get("/healthz", healthz)
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
