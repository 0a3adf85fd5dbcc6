"""What the gateway asks the platform for, over mutual TLS: who somebody is, and which studies hashed IDs have.

Nothing here takes a Patient ID: hashed IDs, codes and tickets are all that can be sent.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from engine.config import GatewayConfig
from engine.enrolment.pinned import CIPHERS
from engine.enrolment.platform import refusal_of
from engine.enrolment.trouble import explain, trouble
from engine.errors import ConfigError
from engine.pages.lookup import Found, StudyFound
from engine.version import VERSION

ANSWER_SECONDS = 20.0
_MOST_ANSWER = 32 << 20
_OK = http.HTTPStatus.OK
T = TypeVar("T")


class Announced(msgspec.Struct, frozen=True):
    """What the platform calls this gateway, and the port of its pages, 0 if it has none."""

    gateway_id: str
    web_port: int


class Ticket(msgspec.Struct, frozen=True):
    """Stands for a person in look-ups, for so many seconds."""

    ticket: str
    name: str
    institution: str
    seconds: int

    def __repr__(self) -> str:
        return f"Ticket({self.seconds} s)"


class _Study(msgspec.Struct, frozen=True):
    study_instance_uid: str
    modalities: tuple[str, ...]
    objects: int
    received: int


class _Found(msgspec.Struct, frozen=True):
    studies: int
    objects: int
    latest: tuple[_Study, ...]


class _Answer(msgspec.Struct, frozen=True):
    found: dict[str, _Found]


@dataclass(frozen=True)
class PlatformClient:
    """One connection a request, so that a renewed certificate is taken up. Calls block; they raise TransportError,
    with the platform's own code where it refuses, and ConfigError for files that cannot be used.
    """

    url: str
    certificate: Path
    key: Path
    ca: Path
    _headers: Mapping[str, str] = field(
        default_factory=lambda: {"user-agent": f"penstock/{VERSION}", "content-type": "application/json"}
    )

    @classmethod
    def of(cls, config: GatewayConfig) -> PlatformClient:
        """The platform of [uploader]. Raises ConfigError without that section."""
        uploader = config.uploader
        if uploader is None:
            raise ConfigError(
                "no-platform", "studies are asked for at a Penstock platform, and there is no [uploader]"
            )
        return cls(uploader.url, uploader.certificate, uploader.key, uploader.ca)

    def announce(self, url: str) -> Announced:
        """Say where this gateway's page is."""
        return self._ask("announce", {"url": url}, Announced)

    def redeem(self, code: str, verifier: str) -> Ticket:
        """Who came back with this code."""
        return self._ask("redeem", {"code": code, "verifier": verifier}, Ticket)

    def end(self, ticket: str) -> None:
        """The ticket is needed no longer."""
        self._ask("end", {"ticket": ticket}, dict)

    def studies(
        self, hashed_ids: Sequence[str], current: Sequence[str], ticket: str = ""
    ) -> dict[str, Found]:
        """What there is under each hashed ID; those that the platform does not know are left out.

        `current` are those of the secret in force: they stand in the audit trail.
        """
        asked = {"hashed_ids": list(hashed_ids), "audited": list(current), "ticket": ticket}
        answer = self._ask("studies", asked, _Answer)
        return {
            one: Found(
                told.studies,
                told.objects,
                tuple(
                    StudyFound(study.study_instance_uid, study.modalities, study.objects, study.received)
                    for study in told.latest
                ),
            )
            for one, told in answer.found.items()
        }

    def _ask(self, what: str, asked: Mapping[str, object], kind: type[T]) -> T:
        where = urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            where.hostname or "", where.port, timeout=ANSWER_SECONDS, context=self._context()
        )
        path = f"{where.path.rstrip('/')}/penstock/v1/calculator/{what}"
        try:
            connection.request("POST", path, msgspec.json.encode(asked), dict(self._headers))
            answer = connection.getresponse()
            content = answer.read(_MOST_ANSWER)
        except (OSError, http.client.HTTPException) as problem:
            raise explain(problem) from problem
        finally:
            connection.close()
        if answer.status != _OK:
            raise refusal_of(answer.status, content)
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as problem:
            raise trouble("platform-answer") from problem

    def _context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the host name
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.set_ciphers(CIPHERS)
        try:
            made.load_verify_locations(self.ca)
            made.load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError) as problem:
            raise ConfigError(
                "gateway-certificate", "the gateway's certificate for the platform cannot be used"
            ) from problem
        return made
