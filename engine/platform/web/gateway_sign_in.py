"""Signing in to a gateway's calculator: who is signed in here confirms, and goes back with a code.

The session's cookie is SameSite=Strict, so it does not come along with the step from the gateway's page to this one. The
first page therefore takes one step on this host before it asks who somebody is.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.errors import PenstockError
from engine.pages.forms import read_form
from engine.platform.calculators.gateway_routes import calculators_of
from engine.platform.calculators.registry import Asking, Calculators
from engine.platform.web.room import Room, person_of


def routes(room: Room) -> list[Route]:
    """The step, the question, the answer."""
    calculators = calculators_of(room.platform)

    async def begin(room: Room, request: Request) -> Response:
        asked = dict(request.query_params)
        try:
            asking = await _asking(calculators, asked)
        except PenstockError as problem:
            return await room.problem(request, 404, problem)
        onwards = f"/gateway-sign-in/confirm?{_query(asked)}"
        answer = room.answer(request, "gateway_step.html", asking=asking, href=onwards)
        answer.headers["refresh"] = f"0; url={onwards}"
        return answer

    async def confirm(room: Room, request: Request) -> Response:
        asked = dict(request.query_params)
        try:
            asking = await _asking(calculators, asked)
        except PenstockError as problem:
            return await room.problem(request, 404, problem)
        return room.answer(request, "gateway_confirm.html", asking=asking, asked=asked)

    async def send(room: Room, request: Request) -> Response:
        form = await read_form(request)
        asked = {name: form.text(name) for name in ("gateway", "state", "challenge")}
        try:
            asking = await _asking(calculators, asked)
            code = await asyncio.to_thread(calculators.code, asking, person_of(request), asked["challenge"])
        except PenstockError as problem:
            return await room.problem(request, 403, problem)
        # The address is the one that the gateway announced; nothing of it comes from this request.
        target = f"{asking.url}/signed-in?{urlencode({'code': code, 'state': asked['state']})}"
        answer = room.answer(request, "gateway_step.html", asking=asking, href=target)
        answer.headers["refresh"] = f"0; url={target}"
        return answer

    return [
        room.route("/gateway-sign-in", "gateway-sign-in", begin),
        room.route("/gateway-sign-in/confirm", "gateway-sign-in-page", confirm),
        room.route("/gateway-sign-in/confirm", "gateway-sign-in-code", send, "POST"),
    ]


async def _asking(calculators: Calculators, asked: dict[str, str]) -> Asking:
    return await asyncio.to_thread(
        calculators.asking, asked.get("gateway", ""), asked.get("state", ""), asked.get("challenge", "")
    )


def _query(asked: dict[str, str]) -> str:
    return urlencode({name: asked[name] for name in ("gateway", "state", "challenge")})
