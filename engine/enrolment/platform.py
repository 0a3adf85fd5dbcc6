"""The platform as an enrolled gateway speaks to it: mutual TLS, one connection a request. Calls block."""

from __future__ import annotations

import http.client
import ssl
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from engine.enrolment.folder import IdentityFolder
from engine.enrolment.pinned import ANSWER_SECONDS, CIPHERS
from engine.enrolment.trouble import explain, trouble
from engine.errors import ConfigError, PenstockError, TransportError
from engine.version import VERSION

MOST_ANSWER_BYTES = 1 << 20
KEY_BYTES = 32
KEY_IDS = "penstock-key-ids"
_FORBIDDEN = 403
T = TypeVar("T")


class Status(msgspec.Struct, frozen=True):
    """How the platform sees this gateway. `key_id`: of the hash secret in force; `time`: seconds since 1970, there."""

    institution: str
    gateway: str
    epoch: int
    key_id: str
    time: float


class Renewed(msgspec.Struct, frozen=True):
    """A new certificate and who vouches for the platform from now on, both PEM."""

    certificate: str
    ca: str


class Platform:
    """Reads certificate, key and CA again for each request, so that renewed ones are taken up."""

    def __init__(self, identity: IdentityFolder) -> None:
        self._identity = identity

    def status(self) -> Status:
        """Raises TransportError; one that is not retryable says that this gateway is fenced, revoked or unknown."""
        return _decoded(self._ask("GET", "status")[1], Status)

    def renew(self, csr: bytes) -> Renewed:
        """A new certificate for the key of this request. Raises as `status`."""
        body = msgspec.json.encode({"csr": csr.decode("ascii")})
        return _decoded(self._ask("POST", "renew", body)[1], Renewed)

    def secrets(self, into: bytearray) -> list[str]:
        """Every version of the hash secret, the one in force first: 32 bytes each, written to `into`; their key ids.

        Raises as `status`.
        """
        headers, _ = self._ask("GET", "secrets", into=into)
        key_ids = [one for one in headers.get(KEY_IDS, "").split(",") if one]
        if not key_ids or len(key_ids) * KEY_BYTES > len(into):
            raise trouble("platform-answer")
        return key_ids

    def _ask(
        self, method: str, what: str, body: bytes | None = None, into: bytearray | None = None
    ) -> tuple[http.client.HTTPMessage, bytes]:
        where = urlsplit(self._identity.enrolled().url)
        connection = http.client.HTTPSConnection(
            where.hostname or "", where.port, timeout=ANSWER_SECONDS, context=context(self._identity)
        )
        headers = {"user-agent": f"penstock/{VERSION}", "content-type": "application/json"}
        try:
            connection.request(method, f"{where.path}/penstock/v1/gateway/{what}", body, headers)
            answer = connection.getresponse()
            if answer.status == http.HTTPStatus.OK and into is not None:
                answer.readinto(into)
                return answer.headers, b""
            content = answer.read(MOST_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as problem:
            raise explain(problem) from problem
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise refusal_of(answer.status, content)
        return answer.headers, content


def context(identity: IdentityFolder) -> ssl.SSLContext:
    """The client's side of mutual TLS. Raises ConfigError when a file of the folder cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the host name
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers(CIPHERS)
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    paths = identity.paths
    try:
        made.load_verify_locations(paths.ca)
        made.load_cert_chain(paths.credential)
    except (ssl.SSLError, OSError) as problem:
        raise ConfigError(
            "identity-damaged",
            f"the identity in {paths.folder} cannot be used",
            hint="enrol this gateway again: penstock enroll URL TOKEN --replace",
        ) from problem
    return made


def refusal_of(status: int, content: bytes) -> PenstockError:
    """What an answer other than 200 means. The words are the platform's own where it is one of ours."""
    try:
        told: dict[str, Any] = msgspec.json.decode(content)["error"]
        code, message = str(told["code"]), str(told["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return trouble("platform-answer")
    final = status in (400, _FORBIDDEN)
    return TransportError(code, message, hint=str(told.get("hint", "")), retryable=not final)


def _decoded(content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as problem:
        raise trouble("platform-answer") from problem
