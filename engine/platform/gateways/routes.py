"""The endpoints of enrolment: one pair on the application for people, by token; the rest by mutual TLS."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from engine import log
from engine.enrolment.token import Token
from engine.errors import ConfigError, PenstockError
from engine.platform.answers import json_answer
from engine.platform.audit import Actor
from engine.platform.gateways.errors import STATUS, EnrolmentError
from engine.platform.gateways.standing import subject_of
from engine.platform.parts import Platform
from engine.platform.tls import PEER, Peer

KEY_IDS = "penstock-key-ids"
MOST_BODY = 16 << 10
REFUSALS, WITHIN_SECONDS = 30, 60.0
MOST_VERSIONS = 100
T = TypeVar("T")
_LOG = log.get("gateways")


class _Enrol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token: str
    csr: str


class _Renew(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    csr: str


class Brake:
    """Counts refused enrolments of one process: guessing tokens has no sense, and filling the audit trail shall have
    none.
    """

    def __init__(self) -> None:
        self._refused: deque[float] = deque()

    def check(self) -> None:
        """Raises EnrolmentError("too-many-enrolments")."""
        now = time.monotonic()
        while self._refused and now - self._refused[0] > WITHIN_SECONDS:
            self._refused.popleft()
        if len(self._refused) >= REFUSALS:
            raise EnrolmentError(
                "too-many-enrolments", "too many enrolments were refused", hint="try again in a minute"
            )

    def refused(self) -> None:
        """One more."""
        self._refused.append(time.monotonic())


def enrol_routes(platform: Platform) -> list[BaseRoute]:
    """On the application of `[web]`."""
    brake = Brake()

    async def clock(_request: Request) -> Response:
        return json_answer({"time": time.time()})

    async def enrol(request: Request) -> Response:
        try:
            brake.check()
            asked = await _body(request, _Enrol)
            answer = await asyncio.to_thread(_enrol, platform, asked, _address(request))
        except EnrolmentError as problem:
            if problem.code != "too-many-enrolments":
                brake.refused()
            return _refusal(problem)
        return json_answer(answer, 201)

    path = "/penstock/v1/enrol"
    return [
        Route(path, clock, methods=["GET"], name="enrol-clock"),
        Route(path, enrol, methods=["POST"], name="enrol"),
    ]


def gateway_routes(platform: Platform) -> list[BaseRoute]:
    """On the application of `[platform]`. The guard has seen by then that the gateway is in force."""

    async def status(request: Request) -> Response:
        try:
            peer = _gateway(request)
            answer = await asyncio.to_thread(_status, platform, peer)
        except EnrolmentError as problem:
            return _refusal(problem)
        return json_answer(answer)

    async def renew(request: Request) -> Response:
        try:
            peer, asked = _gateway(request), await _body(request, _Renew)
            answer = await asyncio.to_thread(_renew, platform, peer, asked, _address(request))
        except EnrolmentError as problem:
            return _refusal(problem)
        return json_answer(answer)

    async def secrets(request: Request) -> Response:
        try:
            peer = _gateway(request)
        except EnrolmentError as problem:
            return _refusal(problem)
        content, key_ids = await asyncio.to_thread(_secrets, platform, peer, _address(request))
        headers = {KEY_IDS: ",".join(key_ids), "cache-control": "no-store"}
        return Response(content, 200, headers, media_type="application/octet-stream")

    prefix = "/penstock/v1/gateway"
    return [
        Route(f"{prefix}/status", status, methods=["GET"], name="gateway-status"),
        Route(f"{prefix}/renew", renew, methods=["POST"], name="gateway-renew"),
        Route(f"{prefix}/secrets", secrets, methods=["GET"], name="gateway-secrets"),
    ]


def _enrol(platform: Platform, asked: _Enrol, address: str) -> dict[str, object]:
    try:
        token = Token.parse(asked.token)
    except ConfigError as problem:
        raise EnrolmentError(problem.code, problem.message, hint=problem.hint) from None
    done = platform.gateways.enrol(token.secret, asked.csr.encode("utf-8", "replace"), address)
    _LOG.info("gateway-enrolled", id=done.subject.gateway_id, epoch=done.subject.epoch)
    return {
        "institution": done.subject.tenant,
        "gateway": done.subject.name,
        "gateway_id": done.subject.gateway_id,
        "epoch": done.subject.epoch,
        "replaced": done.replaced,
        "certificate": done.issued.certificate.decode("ascii"),
        "ca": _server_ca(platform),
        "url": platform.gateways.terms.url,
        "port": platform.gateways.terms.port,
        "receipt_key": platform.signing.public.hex(),
    }


def _status(platform: Platform, peer: Peer) -> dict[str, object]:
    return {
        "institution": peer.tenant,
        "gateway": peer.name,
        "epoch": peer.epoch,
        "key_id": next((one.key_id for one in platform.vault.versions(peer.tenant) if one.current), ""),
        "time": time.time(),
    }


def _renew(platform: Platform, peer: Peer, asked: _Renew, address: str) -> dict[str, object]:
    issued = platform.gateways.renew(subject_of(peer), asked.csr.encode("utf-8", "replace"), address)
    return {"certificate": issued.certificate.decode("ascii"), "ca": _server_ca(platform)}


def _server_ca(platform: Platform) -> str:
    """ "" where the configuration names none any more: the gateway keeps what it has."""
    return (platform.gateways.terms.server_ca or b"").decode("ascii")


def _secrets(platform: Platform, peer: Peer, address: str) -> tuple[bytes, list[str]]:
    """Every version of the hash secret, the one in force first: look-ups answer for all, and an open pass keeps its own."""
    versions = sorted(platform.vault.versions(peer.tenant), key=lambda one: (not one.current, -one.number))
    content, key_ids = b"", []
    for version in versions[:MOST_VERSIONS]:
        secret = platform.vault.secret(peer.tenant, version.number)
        content += secret.key
        key_ids.append(secret.key_id)
    platform.audit.record(
        "secret-delivered",
        actor=Actor("gateway", peer.name, address),
        tenant=peer.tenant,
        outcome="success",
        subject=peer.name,
        detail={"epoch": peer.epoch, "versions": len(key_ids)},
    )
    return content, key_ids


def _gateway(request: Request) -> Peer:
    peer = request.scope.get(PEER)
    if not isinstance(peer, Peer) or not peer.gateway_id:
        raise EnrolmentError(
            "gateway-not-enrolled",
            "this is for enrolled gateways, and the client certificate is not one's",
            hint="penstock enroll URL TOKEN",
        )
    return peer


async def _body(request: Request, kind: type[T]) -> T:
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BODY:
            raise EnrolmentError("enrolment-request", f"the request has more than {MOST_BODY} bytes")
    try:
        return msgspec.json.decode(bytes(content), type=kind)
    except msgspec.DecodeError as problem:
        raise EnrolmentError("enrolment-request", "the request is not what it should be") from problem


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _refusal(problem: PenstockError) -> Response:
    return json_answer({"error": problem.describe()}, STATUS.get(problem.code, 500))
