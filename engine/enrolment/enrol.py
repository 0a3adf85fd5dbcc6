"""`penstock enroll`, step by step. The token is used up late: what can be found out before, is."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from engine.enrolment.folder import Enrolled, IdentityFolder
from engine.enrolment.pinned import PinnedConnection
from engine.enrolment.platform import MOST_ANSWER_BYTES, Platform, refusal_of
from engine.enrolment.request import belongs_together, new_request
from engine.enrolment.token import Token
from engine.enrolment.trouble import explain, trouble
from engine.errors import ConfigError, PenstockError
from engine.version import VERSION

PATH = "/penstock/v1/enrol"
CLOCK_SECONDS = (
    240.0  # a new certificate is valid from a little before its making; more would make it useless here
)
DEFAULT_PORT = 443


@dataclass(frozen=True, slots=True)
class Outcome:
    """`replaced`: an older instance of this gateway is fenced now. `unproved`: why the first call with the new
    certificate failed; None if it went well.
    """

    enrolled: Enrolled
    expires: float
    replaced: bool
    unproved: PenstockError | None


class _Answer(msgspec.Struct, frozen=True):
    institution: str
    gateway: str
    gateway_id: str
    epoch: int
    replaced: bool
    certificate: str
    ca: str
    url: str
    port: int
    receipt_key: str = ""


def enrol(url: str, token: str, folder: Path, *, gateway: str = "", replace: bool = False) -> Outcome:
    """Make a key here, have the platform at `url` certify it, and keep both in `folder`.

    `gateway` is the name to ask for; "" leaves it to the token. Raises ConfigError and TransportError.
    """
    host, port = _address(url)
    known = Token.parse(token)
    identity = IdentityFolder(folder)
    if identity.paths.is_enrolled and not replace:
        raise ConfigError(
            "already-enrolled",
            f"{folder} holds the identity of an enrolled gateway",
            hint="with --replace a new one takes its place, and the old instance is refused from then on",
        )
    identity.prepare()
    connection = PinnedConnection.open(host, port, known.pin)
    try:
        _compare_clocks(_ask(connection, "GET", None))
        request = new_request(gateway)
        body = msgspec.json.encode({"token": known.text, "csr": request.csr.decode("ascii")})
        answer = _understood(_ask(connection, "POST", body))
    finally:
        connection.close()
    if not belongs_together(request.key, answer.certificate.encode("ascii")):
        raise trouble("platform-answer")
    enrolled = Enrolled(
        url=answer.url or f"https://{host}:{answer.port}",
        institution=answer.institution,
        gateway=answer.gateway,
        gateway_id=answer.gateway_id,
        epoch=answer.epoch,
        enrolled=time.time(),
        receipt_key=answer.receipt_key,
    )
    identity.write(enrolled, request.key, answer.certificate.encode("ascii"), answer.ca.encode("ascii"))
    return Outcome(enrolled, identity.validity().ends, answer.replaced, _prove(identity))


def _prove(identity: IdentityFolder) -> PenstockError | None:
    """The first call with the new certificate: it shows whether the other listener can be reached, too."""
    try:
        Platform(identity).status()
    except PenstockError as problem:
        return problem
    return None


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != "https" or not host or parts.path not in ("", "/") or parts.query or parts.username:
        raise ConfigError(
            "enrol-url",
            "this is not the address of a platform",
            hint="such as https://platform.example.org:8444: https, the host, and the port of its [web] listener",
        )
    return host, port or DEFAULT_PORT


def _compare_clocks(answer: Mapping[str, Any]) -> None:
    there = answer.get("time")
    if not isinstance(there, int | float):
        raise trouble("platform-answer")
    ahead = time.time() - there
    if abs(ahead) > CLOCK_SECONDS:
        word = "ahead of" if ahead > 0 else "behind"
        raise ConfigError(
            "clock-wrong",
            f"the clock of this machine is {abs(ahead) / 60:,.0f} minutes {word} the platform's",
            hint="set the clock (timedatectl shows it), and use the same token: nothing was done yet",
        )


def _ask(connection: PinnedConnection, method: str, body: bytes | None) -> dict[str, Any]:
    headers = {"user-agent": f"penstock/{VERSION}", "accept": "application/json"}
    if body is not None:
        headers["content-type"] = "application/json"
    try:
        connection.request(method, PATH, body, headers)
        answer = connection.getresponse()
        content = answer.read(MOST_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as problem:
        raise explain(problem) from problem
    if answer.status not in (http.HTTPStatus.OK, http.HTTPStatus.CREATED):
        raise refusal_of(answer.status, content)
    try:
        told = msgspec.json.decode(content)
    except msgspec.DecodeError as problem:
        raise trouble("platform-answer") from problem
    if not isinstance(told, dict):
        raise trouble("platform-answer")
    return told


def _understood(told: dict[str, Any]) -> _Answer:
    try:
        return msgspec.convert(told, _Answer)
    except msgspec.ValidationError as problem:
        raise trouble("platform-answer") from problem
