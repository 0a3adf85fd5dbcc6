"""The route of STOW-RS: takes a request's objects, and audits what it refuses."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from engine import log
from engine.errors import PenstockError, Refusal
from engine.platform import auditing, receipts, stow
from engine.platform.answers import problem_answer
from engine.platform.tls import Peer

if TYPE_CHECKING:
    from engine.platform.parts import Platform

_DRAINED_BYTES = 16 << 20
_DRAIN_SECONDS = 5.0
_LOG = log.get("platform")


async def store(platform: Platform, request: Request, peer: Peer) -> Response:
    """The Store Instances Response (PS3.18 10.5.3), or an error when the request is refused as a whole."""
    body = request.stream()
    study = request.path_params.get("study")
    try:
        if platform.committer.failed:
            raise platform.committer.refusal()
        with stow.Intake(platform.storage, platform.master, peer, study) as intake:
            await stow.receive(body, request.headers.get("content-type", ""), intake)
            stored = await intake.commit(platform.committer)
            answer = receipts.response(stored, intake.failures, platform.signing)
        if not stored and not intake.failures:
            raise Refusal("multipart", "the request holds no object")
    except PenstockError as problem:
        _LOG.warning("request-refused", code=problem.code)
        await _audit_request(platform, request, problem)
        return problem_answer(problem, close=not await _drain(body))
    except ClientDisconnect:
        await auditing.record(
            platform, request, "study-stored", "", {"code": "client-gone"}, outcome="failed"
        )
        raise
    await _audit_objects(platform, request, intake.failures)
    status = 200 if not intake.failures else 202 if stored else 409
    return Response(answer, status, {"cache-control": "no-store"}, media_type="application/dicom+json")


async def _audit_request(platform: Platform, request: Request, problem: PenstockError) -> None:
    """A request that is refused is audited; one that only comes at a bad time (a full disk) is in the log."""
    if not problem.retryable:
        await auditing.record(
            platform, request, "study-stored", "", {"code": problem.code}, outcome="refused"
        )


async def _audit_objects(platform: Platform, request: Request, failures: list[receipts.Failure]) -> None:
    """One row for each reason and object that has a name, and one for each reason of the nameless."""
    counts = Counter((failure.refusal.code, failure.sop_instance_uid) for failure in failures)
    for (code, uid), count in counts.items():
        detail: dict[str, str | int] = {"code": code, "objects": count}
        await auditing.record(platform, request, "study-stored", uid, detail, outcome="refused")


async def _drain(body: AsyncIterator[bytes]) -> bool:
    """Read what is left of a refused body, so that the client gets to read the answer; False if it is too
    much.
    """
    drained = 0
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for piece in body:
                drained += len(piece)
                if drained > _DRAINED_BYTES:
                    return False
    except TimeoutError:
        return False
    return True
