"""Reads back from the platform what arrived there, as any client with a certificate can."""

from __future__ import annotations

import http.client
import ssl
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import orjson

from engine.errors import TransportError
from engine.platform.certificates import CertificateFiles

TIMEOUT = 30.0
PAGE = 100


class Reader:
    """One TLS connection to the platform, kept open. TransportError when the platform does not answer as it should."""

    def __init__(self, url: str, certificates: CertificateFiles) -> None:
        context = ssl.create_default_context(cafile=str(certificates.ca))
        context.load_cert_chain(certificates.client_certificate, certificates.client_key)
        where = urlsplit(url)
        self._connection = http.client.HTTPSConnection(
            where.hostname or "", where.port, timeout=TIMEOUT, context=context
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def studies(self, hashed_id: str | None = None) -> list[dict[str, Any]]:
        """The studies of one hashed ID, or all, as the platform's listing tells them."""
        return self._all("studies", {"hashed_id": hashed_id} if hashed_id else {}, "studies")

    def instances(self, study_instance_uid: str) -> list[dict[str, Any]]:
        """The objects of one study."""
        return self._all(f"studies/{quote(study_instance_uid)}/instances", {}, "instances")

    def object(self, study_instance_uid: str, sop_instance_uid: str) -> bytes:
        """One object: a Part 10 file, decrypted by the platform."""
        return self._get(f"studies/{quote(study_instance_uid)}/instances/{quote(sop_instance_uid)}")

    def _all(self, path: str, query: dict[str, str], key: str) -> list[dict[str, Any]]:
        """A listing, page by page."""
        found: list[dict[str, Any]] = []
        while True:
            window = {**query, "limit": str(PAGE), "offset": str(len(found))}
            page: list[dict[str, Any]] = orjson.loads(self._get(f"{path}?{urlencode(window)}"))[key]
            found += page
            if len(page) < PAGE:
                return found

    def _get(self, path: str) -> bytes:
        try:
            status, body = self._ask(path)
        except http.client.RemoteDisconnected:
            # The platform ends connections that were idle for a while; the next request opens another.
            self._connection.close()
            status, body = self._ask(path)
        if status != http.HTTPStatus.OK:
            raise TransportError(
                "platform-answer", f"the platform answers {status} to GET {path.partition('?')[0]}"
            )
        return body

    def _ask(self, path: str) -> tuple[int, bytes]:
        try:
            self._connection.request("GET", f"/penstock/v1/{path}")
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except http.client.RemoteDisconnected:
            raise
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise TransportError("platform-unreachable", f"the platform does not answer: {error}") from error
