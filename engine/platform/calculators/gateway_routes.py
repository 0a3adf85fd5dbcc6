"""What a gateway asks over mutual TLS: where its page is, who somebody is, and which studies hashed IDs have.

Only hashed IDs come here. The platform cannot tell from what it gets which Patient ID was looked up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.errors import PenstockError
from engine.pages.lookup import Found
from engine.platform.answers import json_answer
from engine.platform.audit import Actor
from engine.platform.calculators.registry import Calculators
from engine.platform.errors import AccountError
from engine.platform.lookups import Lookups
from engine.platform.parts import Platform
from engine.platform.tls import PEER, Peer

_STATUS = {
    "session-ended": 401,
    "code-refused": 403,
    "too-many-attempts": 429,
    "list-too-long": 413,
    "gateway-not-enrolled": 403,
}
_LONGEST_BODY = 2 << 20
T = TypeVar("T")


class Announce(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the page is."""

    url: str


class Redeem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code, and the verifier that fits its challenge."""

    code: str
    verifier: str


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hashed IDs; `audited` are those of the secret in force, one a patient. Without a ticket the gateway itself asks."""

    hashed_ids: list[str]
    audited: list[str]
    ticket: str = ""


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ticket that is needed no longer."""

    ticket: str


def calculators_of(platform: Platform) -> Calculators:
    """Tickets last as long as sessions of the platform's own pages."""
    return Calculators(platform.database, platform.audit, platform.accounts.sessions.lifetimes.absolute)


def calculator_routes(platform: Platform) -> list[Route]:
    """On the application of `[platform]`."""
    calculators = calculators_of(platform)
    lookups = Lookups(platform.database, platform.library, platform.audit, platform.accounts.attempts)
    web = platform.settings.web

    async def announce(request: Request) -> Response:
        peer, asked = _enrolled(request), await _body(request, Announce)
        await asyncio.to_thread(
            calculators.announce, peer.tenant, peer.gateway_id, asked.url, _actor(request, peer)
        )
        return json_answer({"gateway_id": peer.gateway_id, "web_port": 0 if web is None else web.port})

    async def redeem(request: Request) -> Response:
        peer, asked = _enrolled(request), await _body(request, Redeem)
        ticket = await asyncio.to_thread(
            calculators.redeem,
            peer.tenant,
            peer.gateway_id,
            asked.code,
            asked.verifier,
            _actor(request, peer),
        )
        institution = await asyncio.to_thread(platform.institutions.find, peer.tenant)
        title = (institution.title or institution.name) if institution else peer.tenant
        return json_answer(
            {"ticket": ticket.token, "name": ticket.name, "seconds": ticket.seconds, "institution": title}
        )

    async def ask(request: Request) -> Response:
        peer, asked = _peer(request), await _body(request, Ask)
        found = await asyncio.to_thread(_ask, calculators, lookups, peer, asked, _actor(request, peer))
        return json_answer({"found": {one: asdict(told) for one, told in found.items()}})

    async def end(request: Request) -> Response:
        peer, asked = _enrolled(request), await _body(request, End)
        await asyncio.to_thread(calculators.end, peer.gateway_id, asked.ticket)
        return json_answer({})

    prefix = "/penstock/v1/calculator"
    named = (
        ("announce", announce, "calculator-announce"),
        ("redeem", redeem, "calculator-redeem"),
        ("studies", ask, "calculator-studies"),
        ("end", end, "calculator-end"),
    )
    return [
        Route(f"{prefix}/{path}", _answering(work), methods=["POST"], name=name) for path, work, name in named
    ]


def _ask(
    calculators: Calculators, lookups: Lookups, peer: Peer, asked: Ask, gateway: Actor
) -> dict[str, Found]:
    actor, who, via = gateway, f"gateway {peer.tenant} {peer.name}", "gateway-command"
    if asked.ticket:
        person = calculators.holder(peer.tenant, peer.gateway_id, asked.ticket, gateway.address)
        actor, who, via = person.actor, person.account_id, "gateway-page"
    try:
        lookups.admit(who, len(asked.audited))
        found = lookups.find(peer.tenant, asked.hashed_ids)
        if not set(asked.audited) <= set(asked.hashed_ids) or not asked.audited:
            raise AccountError(
                "hashed-id", "the hashed IDs for the audit trail are not those that are asked for"
            )
    except PenstockError as problem:
        lookups.refused(peer.tenant, actor, problem.code, via)
        raise
    lookups.note(peer.tenant, actor, asked.audited, via)
    return found


def _answering(work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await work(request)
        except AccountError as problem:
            return json_answer({"error": problem.describe()}, _STATUS.get(problem.code, 400))

    return endpoint


def _peer(request: Request) -> Peer:
    peer = request.scope.get(PEER)
    if not isinstance(peer, Peer):
        raise AccountError("gateway-not-enrolled", "the client certificate names no institution")
    return peer


def _enrolled(request: Request) -> Peer:
    peer = _peer(request)
    if not peer.gateway_id:
        raise AccountError(
            "gateway-not-enrolled", "this is for enrolled gateways", hint="penstock enroll URL TOKEN"
        )
    return peer


def _actor(request: Request, peer: Peer) -> Actor:
    return Actor("gateway", peer.name, request.client.host if request.client else "")


async def _body(request: Request, kind: type[T]) -> T:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > _LONGEST_BODY:
            raise AccountError("list-too-long", "the request is too long")
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):  # its text may show what was sent
        problem = AccountError("query", "the request is not what is asked for here")
    raise problem
