"""Signing in, the start page, and one's own account."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from engine.platform.accounts.headers import local_path
from engine.platform.permissions import allowed
from engine.platform.web.room import PLACES, Room, person_of
from engine.platform.web.words import done_of, problem_of


def routes(room: Room) -> list[Route]:
    """The pages; what their forms do is the room of accounts'."""
    return [
        room.route("/", "home", _home),
        room.route("/sign-in", "sign-in-page", _sign_in),
        room.route("/account", "account-page", _account),
        Route("/static/{name}", room.pages.assets.endpoint, methods=["GET"], name="static"),
    ]


async def _home(_room: Room, request: Request) -> Response:
    """The first page that somebody may use."""
    roles = person_of(request).roles
    return RedirectResponse(next(href for name, _, href in PLACES if allowed(name, roles)), 303)


async def _sign_in(room: Room, request: Request) -> Response:
    after = local_path(request.query_params.get("next", "/"))
    if request.state.person is not None:
        return RedirectResponse(after, 303)
    institutions = await asyncio.to_thread(room.platform.institutions.all)
    web = room.platform.settings.web
    provider = web.oidc.label if web is not None and web.oidc is not None and room.platform.oidc else ""
    return room.answer(
        request,
        "sign_in.html",
        next=after,
        many=len(institutions) > 1,
        problem=problem_of(request),
        done=done_of(request),
        provider=provider,
        quiet=request.query_params.get("problem") == "not-signed-in",
    )


async def _account(room: Room, request: Request) -> Response:
    person = person_of(request)
    account = await asyncio.to_thread(room.platform.accounts.get, person.tenant, person.account_id)
    return room.answer(
        request,
        "account.html",
        "account-page",
        account=account,
        problem=problem_of(request),
        done=done_of(request),
    )
