"""Studies: searched, paged, and seen growing while they arrive; and one study with its series."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.errors import TransportError
from engine.platform.permissions import Role
from engine.platform.web.room import Room, person_of
from engine.platform.web.study_search import Search, search

HERE = "studies-page"
ARRIVING = 60_000_000
"""Microseconds after its latest object in which a study counts as arriving: a gateway's usual quiet time."""
_MOST_SERIES = 1000


def routes(room: Room) -> list[Route]:
    """The list and the study."""
    return [
        room.route("/studies", HERE, _studies),
        room.route("/studies/{study}", "study-page", _study),
    ]


async def _studies(room: Room, request: Request) -> Response:
    person = person_of(request)
    wanted = Search.of(dict(request.query_params))
    result = None
    if not wanted.unclear:
        result = await asyncio.to_thread(search, room.platform.database, person.tenant, wanted)
    if wanted.narrowed and result is not None:
        await asyncio.to_thread(
            room.platform.audit.record,
            "study-search",
            actor=person.actor,
            tenant=person.tenant,
            outcome="success",
            subject=wanted.identifier,
            detail={"modality": wanted.modality, "found": result.total},
        )
    return room.answer(
        request,
        "studies.html",
        HERE,
        status=422 if wanted.unclear else 200,
        search=wanted,
        result=result,
        now=time.time_ns() // 1000,
        arriving=ARRIVING,
        calculator=person.has(Role.CALCULATOR),
        query=urlencode(
            {
                name: value
                for name, value in (
                    ("q", wanted.identifier),
                    ("modality", wanted.modality),
                    ("since", wanted.since),
                    ("until", wanted.until),
                )
                if value
            }
        ),
    )


async def _study(room: Room, request: Request) -> Response:
    person, study = person_of(request), request.path_params["study"]
    library = room.platform.library
    found = await asyncio.to_thread(library.studies, person.tenant, None, study, 1, 0)
    if not found:
        return await room.problem(request, 404, TransportError("not-found", "there is no such study"))
    series = await asyncio.to_thread(library.series, person.tenant, study, _MOST_SERIES, 0)
    await asyncio.to_thread(
        room.platform.audit.record,
        "study-viewed",
        actor=person.actor,
        tenant=person.tenant,
        outcome="success",
        subject=study,
    )
    return room.answer(
        request,
        "study.html",
        HERE,
        study=found[0],
        series=series,
        now=time.time_ns() // 1000,
        arriving=ARRIVING,
    )
