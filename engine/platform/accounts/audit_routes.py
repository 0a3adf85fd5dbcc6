"""The institution's own audit trail as a file: DICOM audit messages, or rows with all that verifying needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from engine.errors import Refusal
from engine.platform.accounts.routes import signed_in
from engine.platform.audit import Entry
from engine.platform.audit.message import message

if TYPE_CHECKING:
    from engine.platform.parts import Platform

_PAGE = 500
_KINDS = {"xml": "application/xml-seq", "jsonl": "application/x-ndjson"}


def audit_routes(platform: Platform) -> list[Route]:
    """GET /audit/export?format=xml|jsonl&after=N, for people's application."""

    async def export(request: Request) -> Response:
        return await _export(platform, request)

    return [Route("/audit/export", export, methods=["GET"], name="audit-export")]


async def _export(platform: Platform, request: Request) -> Response:
    person = signed_in(request)
    kind = request.query_params.get("format", "jsonl")
    after = request.query_params.get("after", "0")
    if kind not in _KINDS or not (after.isascii() and after.isdecimal() and len(after) < 18):
        raise Refusal("query", "format must be xml or jsonl, after a whole number")
    await asyncio.to_thread(
        platform.audit.record,
        "audit-exported",
        actor=person.actor,
        tenant=person.tenant,
        outcome="success",
        detail={"format": kind},
    )
    headers = {"content-disposition": f'attachment; filename="audit-{person.tenant}.{kind}"'}
    lines = _lines(platform, person.tenant, kind, int(after))
    return StreamingResponse(lines, 200, headers, media_type=_KINDS[kind])


async def _lines(platform: Platform, tenant: str, kind: str, after: int) -> AsyncIterator[bytes]:
    """Page by page: an export of any length is never held whole."""

    def page(number: int) -> list[Entry]:
        return list(platform.audit.rows(tenant, after=number, most=_PAGE))

    while rows := await asyncio.to_thread(page, after):
        yield b"".join(_line(row, kind) for row in rows)
        after = rows[-1].number


def _line(row: Entry, kind: str) -> bytes:
    line = message(row) if kind == "xml" else orjson.dumps(asdict(row))
    return line + b"\n"
