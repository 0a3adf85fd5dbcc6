"""Stands before the application of `[platform]`: a gateway that is fenced, revoked, unknown or out of date is answered
403 before a byte of its request's body is read. With `Expect: 100-continue` it has not even sent one.
"""

from __future__ import annotations

import asyncio

from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send

from engine import log
from engine.errors import PenstockError
from engine.platform.answers import json_answer
from engine.platform.database.connection import database_error
from engine.platform.gateways.errors import STATUS
from engine.platform.gateways.standing import Standing
from engine.platform.tls import PEER, Peer

_LOG = log.get("gateways")
_BUSY = 503


class Guard:
    """An ASGI application around another one."""

    def __init__(self, inner: ASGIApp, standing: Standing) -> None:
        self._inner, self._standing = inner, standing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        peer = scope.get(PEER)
        problem = await self._judge(peer, scope) if isinstance(peer, Peer) else None
        if problem is None:
            await self._inner(scope, receive, send)
            return
        status = _BUSY if problem.retryable else STATUS[problem.code]
        answer = json_answer({"error": problem.describe()}, status)
        answer.headers["connection"] = "close"  # the body was not read
        await answer(scope, receive, send)

    async def _judge(self, peer: Peer, scope: Scope) -> PenstockError | None:
        address = (scope.get("client") or ("",))[0]
        if self._standing.known(peer):
            return self._standing.judge(peer, address)
        try:
            return await asyncio.to_thread(self._standing.judge, peer, address)
        except SQLAlchemyError as problem:  # nobody is let in because the database is away
            _LOG.failure("standing-unknown", problem)
            return database_error(problem)
