"""The audit trail: filtered, verified, as a table. Reading it is in it, too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from engine.pages.tables import csv_bytes, csv_row
from engine.platform.audit import Entry
from engine.platform.audit.events import EVENTS
from engine.platform.audit.verify import verify
from engine.platform.web.audit_search import OUTCOMES, Filter, every, page
from engine.platform.web.room import Room, person_of

HERE = "audit-page"
_HEADINGS = ("Number", "Time", "Event", "Outcome", "Actor", "Name", "Address", "Subject", "Detail", "Mark")


def routes(room: Room) -> list[Route]:
    """The page, verifying, and a table."""
    return [
        room.route("/audit", HERE, _audit),
        room.route("/audit/verify", "audit-verify", _verify, "POST"),
        room.route("/audit/table", "audit-table", _table),
    ]


async def _audit(room: Room, request: Request) -> Response:
    person, wanted = person_of(request), Filter.of(dict(request.query_params))
    await _note(room, request, "audit-read")
    return await _shown(room, request, wanted, person.tenant)


async def _shown(
    room: Room, request: Request, wanted: Filter, tenant: str, verified: object = None
) -> Response:
    entries, older = await asyncio.to_thread(page, room.platform.database, tenant, wanted)
    query = urlencode({name: value for name, value in asdict(wanted).items() if value and name != "before"})
    return room.answer(
        request,
        "audit.html",
        HERE,
        filter=wanted,
        entries=[(entry, orjson.loads(entry.detail)) for entry in entries],
        older=entries[-1].number if older else 0,
        events=sorted(EVENTS),
        outcomes=OUTCOMES,
        query=query,
        verified=verified,
    )


async def _verify(room: Room, request: Request) -> Response:
    tenant = person_of(request).tenant
    verified = await asyncio.to_thread(verify, room.platform.audit, tenant)
    await _note(room, request, "audit-verified", findings=len(verified.findings), rows=verified.rows)
    return await _shown(room, request, Filter(), tenant, verified)


async def _table(room: Room, request: Request) -> Response:
    """The rows that fit as CSV; the room of accounts exports the whole trail in the standard's form."""
    tenant, wanted = person_of(request).tenant, Filter.of(dict(request.query_params))
    await _note(room, request, "audit-exported", format="csv")
    name = f"penstock-audit-{tenant}-{datetime.now(UTC):%Y-%m-%d}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    rows = _csv(every(room.platform.database, tenant, wanted))
    return StreamingResponse(rows, 200, headers, "text/csv; charset=utf-8")


async def _note(room: Room, request: Request, event: str, **detail: str | int) -> None:
    person = person_of(request)
    await asyncio.to_thread(
        room.platform.audit.record,
        event,
        actor=person.actor,
        tenant=person.tenant,
        outcome="success",
        detail=detail,
    )


def _csv(entries: Iterator[Entry]) -> Iterator[bytes]:
    yield csv_bytes(_HEADINGS, [])
    for entry in entries:
        when = datetime.fromtimestamp(entry.time / 1_000_000, UTC).isoformat()
        cells: list[str | int] = [entry.number, when, entry.event, entry.outcome, entry.actor_kind]
        cells += [entry.actor_name, entry.actor_address, entry.subject, entry.detail, entry.mark]
        yield csv_row(cells)
