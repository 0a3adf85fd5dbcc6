"""Routes for gateways and machines: STOW-RS, and the listings under /penstock/v1. Each needs a verified client; what it
sees is its own tenant's.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from engine.errors import Refusal, SpoolError, TransportError
from engine.platform import auditing, store_route
from engine.platform.answers import json_answer
from engine.platform.dicomweb import routes as dicomweb
from engine.platform.dicomweb.query import HASHED_ID
from engine.platform.parts import Platform
from engine.platform.tls import PEER, Peer

REQUESTS_AT_ONCE = 64
_MOST_LISTED = 1000


def routes(platform: Platform) -> list[BaseRoute]:
    """DICOMweb at / and /dicom-web, the rest under /penstock/v1."""
    slots = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def store(request: Request) -> Response:
        async with slots:
            return await store_route.store(platform, request, peer_of_request(request))

    def route(path: str, name: str, work: Callable[[Platform, Request], Awaitable[Response]]) -> Route:
        async def endpoint(request: Request) -> Response:
            return await work(platform, request)

        return Route(path, endpoint, methods=["GET"], name=name)

    dicomweb_routes: list[BaseRoute] = [
        Route("/studies", store, methods=["POST"], name="stow"),
        Route("/studies/{study}", store, methods=["POST"], name="stow-study"),
        *dicomweb.routes(platform),
    ]
    own = [
        route("/health", "machine-health", _health),
        route("/key", "machine-key", _key),
        route("/studies", "machine-studies", _studies),
        route("/studies/{study}/instances", "machine-instances", _instances),
        route("/studies/{study}/instances/{instance}", "machine-object", _object),
    ]
    return [*dicomweb_routes, Mount("/dicom-web", routes=dicomweb_routes), Mount("/penstock/v1", routes=own)]


def peer_of_request(request: Request) -> Peer:
    """Who asks. Raises TransportError("no-tenant")."""
    peer = request.scope.get(PEER)
    if not isinstance(peer, Peer):
        raise TransportError(
            "no-tenant",
            "the client certificate names no organization",
            hint="use a certificate whose subject has an O",
        )
    return peer


async def _health(platform: Platform, request: Request) -> Response:
    peer_of_request(request)
    failed = platform.committer.failed
    return json_answer({"status": "failed" if failed else "ok"}, 503 if failed else 200)


async def _key(platform: Platform, request: Request) -> Response:
    peer_of_request(request)
    public = base64.b64encode(platform.signing.public).decode("ascii")
    return json_answer({"algorithm": "Ed25519", "key_id": platform.signing.key_id, "public_key": public})


async def _studies(platform: Platform, request: Request) -> Response:
    limit, offset = _window(request)
    hashed_id, study = request.query_params.get("hashed_id"), request.query_params.get("study")
    found = await asyncio.to_thread(
        platform.library.studies, peer_of_request(request).tenant, hashed_id, study, limit, offset
    )
    asked = hashed_id if hashed_id is not None and HASHED_ID.fullmatch(hashed_id) else ""
    await auditing.record(platform, request, "study-search", asked, {"results": len(found)})
    listed = [
        {
            "study_instance_uid": row.study_instance_uid,
            "hashed_id": row.hashed_id,
            "modalities": row.modalities,
            "objects": row.objects,
            "bytes": row.bytes,
            "last_received": row.last_received,
        }
        for row in found
    ]
    return json_answer({"studies": listed})


async def _instances(platform: Platform, request: Request) -> Response:
    limit, offset = _window(request)
    study = request.path_params["study"]
    found = await asyncio.to_thread(
        platform.library.instances, peer_of_request(request).tenant, study, limit, offset
    )
    if not found and not offset:
        raise TransportError("not-found", "there is no such study")
    listed = [
        {
            "sop_instance_uid": row.sop_instance_uid,
            "series_instance_uid": row.series_instance_uid,
            "sop_class_uid": row.sop_class_uid,
            "transfer_syntax_uid": row.transfer_syntax_uid,
            "modality": row.modality,
            "hashed_id": row.hashed_id,
            "digest": row.digest.hex(),
            "bytes": row.length,
            "received": row.received,
        }
        for row in found
    ]
    return json_answer({"instances": listed})


async def _object(platform: Platform, request: Request) -> Response:
    study, instance = request.path_params["study"], request.path_params["instance"]
    tenant = peer_of_request(request).tenant
    try:
        row, chunks = await asyncio.to_thread(platform.library.open, tenant, study, instance)
    except SpoolError as problem:
        detail = {"instance": instance, "code": problem.code}
        await auditing.record(platform, request, "object-download", study, detail, outcome="failed")
        raise
    await auditing.record(platform, request, "object-download", study, {"instance": instance})
    headers = {
        "content-length": str(row.length),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    return StreamingResponse(chunks, 200, headers, media_type="application/dicom")


def _window(request: Request) -> tuple[int, int]:
    try:
        limit = int(request.query_params.get("limit", "100"))
        offset = int(request.query_params.get("offset", "0"))
    except ValueError as problem:
        raise Refusal("query", "limit and offset must be whole numbers") from problem
    if not 1 <= limit <= _MOST_LISTED or not 0 <= offset < 1 << 62:
        raise Refusal("query", f"limit must be 1 to {_MOST_LISTED}, offset not negative")
    return limit, offset
