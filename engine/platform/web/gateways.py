"""Gateways and tokens of an institution. A token is shown once, in the answer that made it."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from engine.pages.forms import read_form
from engine.platform.gateways.errors import EnrolmentError
from engine.platform.web.room import Room, person_of
from engine.platform.web.words import PROBLEMS, done_of, problem_of

HERE = "gateways-page"
_LIFETIMES = {"15": 900.0, "60": 3600.0}
_TOKENS_SHOWN = 50


def routes(room: Room) -> list[Route]:
    """The page, and what its forms do."""
    return [
        room.route("/gateways", HERE, _page),
        room.route("/gateways/tokens", "token-create", _create, "POST"),
        room.route("/gateways/tokens/{token}/withdraw", "token-withdraw", _withdraw, "POST"),
        room.route("/gateways/{gateway}/revoke", "gateway-revoke", _revoke, "POST"),
    ]


async def _page(room: Room, request: Request) -> Response:
    return await _shown(room, request, problem=problem_of(request), done=done_of(request))


async def _shown(
    room: Room, request: Request, *, token: str = "", problem: str = "", done: str = "", status: int = 200
) -> Response:
    tenant, gateways = person_of(request).tenant, room.platform.gateways
    enrolled = await asyncio.to_thread(gateways.all, tenant)
    tokens = await asyncio.to_thread(gateways.tokens, tenant)
    versions = await asyncio.to_thread(room.platform.vault.versions, tenant)
    return room.answer(
        request,
        "gateways.html",
        HERE,
        status=status,
        gateways=enrolled,
        tokens=tokens[:_TOKENS_SHOWN],
        versions=versions,
        token=token,
        address=f"https://{request.url.netloc}",
        now=time.time_ns() // 1000,
        problem=problem,
        done=done,
    )


async def _create(room: Room, request: Request) -> Response:
    person, form = person_of(request), await read_form(request)
    lifetime = _LIFETIMES.get(form.text("lifetime", "60"), 0.0)
    try:
        token = await asyncio.to_thread(
            room.platform.gateways.new_token,
            person.tenant,
            person.actor,
            lifetime,
            gateway=form.text("gateway").strip(),
        )
    except EnrolmentError as refusal:
        words = PROBLEMS.get(refusal.code, f"{refusal.message[:1].upper()}{refusal.message[1:]}.")
        return await _shown(room, request, problem=words, status=422)
    return await _shown(room, request, token=token)


async def _withdraw(room: Room, request: Request) -> Response:
    person = person_of(request)
    withdrawn = await asyncio.to_thread(
        room.platform.gateways.withdraw_token, person.tenant, request.path_params["token"], person.actor
    )
    return RedirectResponse(f"/gateways?{'done=token-withdrawn' if withdrawn else 'problem=token-gone'}", 303)


async def _revoke(room: Room, request: Request) -> Response:
    person = person_of(request)
    revoked = await asyncio.to_thread(
        room.platform.gateways.revoke, person.tenant, request.path_params["gateway"], person.actor
    )
    return RedirectResponse(f"/gateways?{'done=gateway-revoked' if revoked else 'problem=gateway-gone'}", 303)
