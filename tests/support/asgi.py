"""Calls an ASGI application as a server would, without a network; tells whether the body was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

from engine.platform.tls import PEER, Peer


@dataclass
class Answer:
    """What came back. `asked`: how many times the application asked for the body."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    asked: int = 0

    def header(self, name: str) -> str:
        """The header's values, joined by line feeds."""
        return "\n".join(value for key, value in self.headers if key == name)


def call(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | Iterable[bytes] = b"",
    peer: Peer | None = None,
    address: str = "192.0.2.7",
) -> Answer:
    """One request. A body that is not bytes is sent in pieces, without its length."""
    given = {"host": "localhost", **(headers or {})}
    pieces = [body] if isinstance(body, bytes) else list(body)
    if isinstance(body, bytes):
        given.setdefault("content-length", str(len(body)))
    place, _, query = path.partition("?")
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": unquote(place),
        "raw_path": place.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": (address, 40_000),
        "server": ("localhost", 443),
        "state": {},
    }
    if peer is not None:
        scope[PEER] = peer
    answer = Answer()

    async def receive() -> Message:
        answer.asked += 1
        if pieces:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(name.decode(), value.decode()) for name, value in message.get("headers", [])]
        else:
            answer.body += message.get("body", b"")

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    return answer
