"""The accounts of an institution, for its administrators; the forms go to the room of accounts."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.platform.permissions import Role
from engine.platform.web.room import Room, person_of
from engine.platform.web.words import done_of, problem_of

ROLES = (
    (Role.CALCULATOR, "Calculator", "looks up hashed IDs"),
    (Role.RESEARCHER, "Researcher", "finds and downloads studies"),
    (Role.AUDITOR, "Auditor", "reads the audit trail"),
    (Role.ADMINISTRATOR, "Administrator", "people, gateways and tokens"),
)


def routes(room: Room) -> list[Route]:
    """One page."""
    return [room.route("/accounts", "accounts-page", _accounts)]


async def _accounts(room: Room, request: Request) -> Response:
    person = person_of(request)
    accounts = await asyncio.to_thread(room.platform.accounts.all, person.tenant)
    return room.answer(
        request,
        "accounts.html",
        "accounts-page",
        accounts=accounts,
        roles=ROLES,
        own=person.account_id,
        problem=problem_of(request),
        done=done_of(request),
    )
