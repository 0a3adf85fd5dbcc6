"""Who makes a request: by the session's cookie on people's application, by the certificate on the machines'."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request

from engine.platform.accounts.gate import Who
from engine.platform.accounts.headers import SESSION_COOKIE
from engine.platform.accounts.sessions import Sessions
from engine.platform.audit import Actor
from engine.platform.errors import AccountError
from engine.platform.permissions import Role
from engine.platform.tls import PEER, Peer


def by_session(sessions: Sessions) -> Callable[[Request], Awaitable[Who]]:
    """People. Somebody without a session, or with one that has ended, is anonymous."""

    async def identify(request: Request) -> Who:
        address = request.client.host if request.client else ""
        token = request.cookies.get(SESSION_COOKIE, "")
        person = await asyncio.to_thread(sessions.find, token, address) if token else None
        if person is None:
            return Who(Actor("anonymous", "", address), ended=bool(token))
        return Who(person.actor, person.roles, person.tenant, person)

    return identify


def by_certificate() -> Callable[[Request], Awaitable[Who]]:
    """Machines. The TLS handshake has verified the certificate; without an organization in it nobody knows whose
    it is.
    """

    async def identify(request: Request) -> Who:
        peer = request.scope.get(PEER)
        if not isinstance(peer, Peer):
            raise AccountError(
                "no-tenant",
                "the client certificate names no organization",
                hint="use a certificate whose subject has an O",
            )
        address = request.client.host if request.client else ""
        return Who(Actor("gateway", peer.name, address), frozenset({Role.GATEWAY}), peer.tenant)

    return identify
