"""Stands before every page: the hospital's networks only, the page's own name only, and headers on every answer."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from engine import log
from engine.config import CalculatorConfig
from engine.pages.headers import securing

_LOG = log.get("calculator")


class Gate:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, *, settings: CalculatorConfig) -> None:
        self._app, self._settings = app, settings
        self._host = urlsplit(settings.url).netloc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return
        address = (scope.get("client") or ("",))[0]
        headers = Headers(scope=scope)
        if not self._settings.admits(address):
            _LOG.warning("caller-outside", address=address)
            answer = PlainTextResponse("This page is for the hospital's own network.\n", 403)
        elif headers.get("host", "").lower() != self._host.lower():
            # Another name for this address (DNS rebinding) is no page of ours.
            answer = PlainTextResponse("This page has another address.\n", 421)
        elif scope["method"] not in {"GET", "HEAD"} and not _ours(headers, self._settings.url):
            answer = PlainTextResponse("This did not come from a page of this calculator.\n", 403)
        else:
            await self._app(scope, receive, securing(send))
            return
        answer.headers["connection"] = "close"
        await answer(scope, receive, securing(send))


def _ours(headers: Headers, url: str) -> bool:
    """As the browser tells; pages cannot set Sec-Fetch-Site. A program without a browser says Origin."""
    site = headers.get("sec-fetch-site")
    return site == "same-origin" if site is not None else headers.get("origin") == url
