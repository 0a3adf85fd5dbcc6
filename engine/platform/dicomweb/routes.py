"""Routes of QIDO-RS and WADO-RS. What one sees is its own institution's; every search and every download is audited."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from engine.errors import PenstockError, TransportError
from engine.platform import auditing
from engine.platform.database.objects import SERIES, STUDIES
from engine.platform.dicomweb import accept, bodies, query
from engine.platform.dicomweb.keys import Level
from engine.platform.dicomweb.search import Searching

if TYPE_CHECKING:
    from engine.platform.parts import Platform

JSON = "application/dicom+json"
_HOST = re.compile(r"[A-Za-z0-9.-]{1,255}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_PLACES = {"study": STUDIES.c.study_instance_uid, "series": SERIES.c.series_instance_uid}
Answering = Callable[["Platform", Request], Awaitable[Response]]

_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"


def routes(platform: Platform) -> list[BaseRoute]:
    """The routes, to be mounted where a DICOMweb service shall begin."""
    table: list[tuple[str, str, Answering]] = [
        ("/studies", "qido-studies", _search(Level.STUDY)),
        ("/series", "qido-series", _search(Level.SERIES)),
        ("/instances", "qido-instances", _search(Level.INSTANCE)),
        (_STUDY + "/series", "qido-study-series", _search(Level.SERIES)),
        (_STUDY + "/instances", "qido-study-instances", _search(Level.INSTANCE)),
        (_SERIES + "/instances", "qido-series-instances", _search(Level.INSTANCE)),
        (_STUDY, "wado-study", _retrieve),
        (_SERIES, "wado-series", _retrieve),
        (_INSTANCE, "wado-instance", _retrieve),
        (_STUDY + "/metadata", "wado-study-metadata", _metadata),
        (_SERIES + "/metadata", "wado-series-metadata", _metadata),
        (_INSTANCE + "/metadata", "wado-instance-metadata", _metadata),
    ]
    return [_route(platform, *row) for row in table]


def _route(platform: Platform, path: str, name: str, answer: Answering) -> Route:
    async def endpoint(request: Request) -> Response:
        return await answer(platform, request)

    return Route(path, endpoint, methods=["GET"], name=name)


def _search(level: Level) -> Answering:
    async def answer(platform: Platform, request: Request) -> Response:
        within: tuple[ColumnElement[bool], ...] = tuple(
            _PLACES[name] == uid for name, uid in _uids(request).items()
        )
        wanted = query.parse(level, request.query_params.multi_items())
        tenant = _tenant(request)

        searching = Searching(platform.database)
        body, count, more = await asyncio.to_thread(searching.run, tenant, wanted, _base(request), within)
        study = request.path_params.get("study", "")
        detail: dict[str, str | int] = {"level": level.name.lower(), "results": count}
        await auditing.record(platform, request, "study-search", wanted.hashed_id or study, detail)
        headers = dict(_HEADERS)
        warnings = [f'299 penstock: "not matched: {name}"' for name in wanted.ignored[:8]]
        if more and wanted.capped:
            warnings.append('299 penstock: "there are more results; ask for them with offset"')
        if warnings:
            headers["warning"] = ", ".join(warnings)
        if not count:
            return Response(status_code=204, headers=headers)
        return Response(body, 200, headers, media_type=JSON)

    return answer


async def _retrieve(platform: Platform, request: Request) -> Response:
    place = _uids(request)
    one = "instance" in place
    wanted = accept.wanted(_accepted(request), one=one)
    await _must_be_there(platform, request, wanted.takes)
    rows = platform.library.objects(_tenant(request), **place)
    boundary = secrets.token_hex(16)
    headers = dict(_HEADERS)
    if wanted.single:
        row = await asyncio.to_thread(next, rows)
        kind = f"application/dicom; transfer-syntax={row.transfer_syntax_uid}"
        headers["content-length"] = str(row.length)
        headers["content-disposition"] = f'attachment; filename="{row.sop_instance_uid}.dcm"'
        pieces: Iterator[bytes] = await _begin(platform, request, lambda: platform.library.verified(row))
    else:
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        made = bodies.multipart(platform.library, rows, boundary)
        pieces = await _begin(platform, request, lambda: bodies.begun(made, 2))
    return StreamingResponse(pieces, 200, {**headers, "content-type": kind})


async def _metadata(platform: Platform, request: Request) -> Response:
    if not accept.metadata_taken(_accepted(request)):
        raise TransportError("not-acceptable", f"metadata are given out as {JSON}")
    place = _uids(request)
    await _must_be_there(platform, request, lambda _syntax: True)
    made = bodies.metadata(platform.library, platform.library.objects(_tenant(request), **place))
    pieces = await _begin(platform, request, lambda: bodies.begun(made, 1))
    return StreamingResponse(pieces, 200, dict(_HEADERS), media_type=JSON)


async def _must_be_there(platform: Platform, request: Request, takes: Callable[[str], bool]) -> None:
    """Raises TransportError: "not-found", or "not-acceptable" when the objects' transfer syntaxes are not all taken."""
    there = await asyncio.to_thread(platform.library.transfer_syntaxes, _tenant(request), **_uids(request))
    if not there:
        raise TransportError("not-found", "there is no such study, series or instance")
    if not all(map(takes, there)):
        raise TransportError(
            "not-acceptable",
            "the objects are stored in another transfer syntax, and are not transcoded",
            hint="ask for transfer-syntax=*",
        )


async def _begin(
    platform: Platform, request: Request, make: Callable[[], Iterator[bytes]]
) -> Iterator[bytes]:
    """Begins a body, and audits the download: before its first byte leaves."""
    place = _uids(request)
    event = "object-download" if "instance" in place else "study-download"
    detail: dict[str, str | int] = {name: uid for name, uid in place.items() if name != "study"}
    detail["route"] = "metadata" if request.url.path.endswith("/metadata") else "objects"
    try:
        pieces = await asyncio.to_thread(make)
    except PenstockError as problem:
        failed = {**detail, "code": problem.code}
        await auditing.record(platform, request, event, place["study"], failed, outcome="failed")
        raise
    await auditing.record(platform, request, event, place["study"], detail)
    return pieces


def _tenant(request: Request) -> str:
    tenant = request.state.who.tenant
    if not isinstance(tenant, str) or not tenant:
        raise TransportError("no-tenant", "nobody knows whose studies these would be")
    return tenant


def _uids(request: Request) -> dict[str, str]:
    """What the path names. Raises TransportError("not-found") for what cannot be a UID."""
    place: dict[str, str] = dict(request.path_params)
    if not all(query.is_uid(uid) for uid in place.values()):
        raise TransportError("not-found", "there is no such study, series or instance")
    return place


def _accepted(request: Request) -> str:
    """The Accept header, or the query parameter that stands for it where a browser cannot set one (PS3.18 8.3.3.1)."""
    return request.query_params.get("accept") or ", ".join(request.headers.getlist("accept"))


def _base(request: Request) -> str:
    """Where this service begins, as the client called it; relative when its Host is no host."""
    host = request.headers.get("host", "")
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return f"https://{host}{root}" if _HOST.fullmatch(host) else root
