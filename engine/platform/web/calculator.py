"""The Patient Hash Calculator at the platform: Patient IDs live in the memory of one request and nowhere else."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.errors import PenstockError
from engine.pages import calculator
from engine.pages.calculator import Asked, Setting
from engine.pages.forms import read_form
from engine.pages.lists import Entry, ListError
from engine.pages.lookup import Row, Version, calculate, hashed_ids, with_found
from engine.platform.web.room import Room, person_of

HERE = "calculator-page"
_SETTING = Setting("/calculator", blind=False, issuer_counts=True)
VIA = "platform-page"


def routes(room: Room) -> list[Route]:
    """The form, and its answer."""
    return [
        room.route("/calculator", HERE, _form),
        room.route("/calculator", "calculator-ask", _ask, "POST"),
    ]


async def _form(room: Room, request: Request) -> Response:
    return calculator.page(room.pages, room.view(request, HERE), _SETTING, Asked())


async def _ask(room: Room, request: Request) -> Response:
    person, asked, view = person_of(request), Asked(), room.view(request, HERE)
    try:
        asked = Asked.of(await read_form(request))
        patients = await asyncio.to_thread(asked.patients)
        await asyncio.to_thread(room.lookups.admit, person.account_id, len(patients.entries))
        rows = await asyncio.to_thread(_rows, room, person.tenant, asked, patients.entries)
        hashes = hashed_ids(rows)
        current = list(dict.fromkeys(row.hashed[0].value for row in rows if row.hashed))
        found = await asyncio.to_thread(room.lookups.find, person.tenant, hashes)
        if current:
            await asyncio.to_thread(room.lookups.note, person.tenant, person.actor, current, VIA)
    except PenstockError as problem:
        await asyncio.to_thread(room.lookups.refused, person.tenant, person.actor, problem.code, VIA)
        status = 429 if problem.code == "too-many-attempts" else None
        return calculator.page(room.pages, view, _SETTING, asked, error=problem, status=status)
    rows = with_found(rows, found)
    if asked.csv:
        return calculator.table(rows, with_patient_ids=asked.with_patient_ids)
    return await asyncio.to_thread(
        calculator.page, room.pages, view, _SETTING, asked, patients=patients, rows=rows
    )


def _rows(room: Room, tenant: str, asked: Asked, entries: tuple[Entry, ...]) -> list[Row]:
    vault = room.platform.vault
    versions = [
        Version(one.number, vault.secret(tenant, one.number), one.current) for one in vault.versions(tenant)
    ]
    if not versions:
        raise ListError(
            "no-secret",
            "your institution has no hash secret yet",
            hint="it gets one when its first gateway is enrolled",
        )
    issuer = asked.issuer if asked.issuer or any(entry.issuer for entry in entries) else None
    return calculate(entries, versions, issuer)
