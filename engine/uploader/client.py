"""One STOW-RS request over mutual TLS, from a request body to a verdict on each of its objects."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from engine.config import UploaderConfig
from engine.errors import PenstockError, TransportError
from engine.spool.killpoint import reached
from engine.uploader import trouble
from engine.uploader.body import RequestBody
from engine.uploader.outgoing import OutgoingObject
from engine.uploader.tls import client_context
from engine.uploader.verdicts import Sent, Verdict, judge
from engine.version import VERSION

CONNECT_SECONDS = 15.0
STALL_SECONDS = 60.0
ANSWER_SECONDS = 300.0
_KEEP_ALIVE_SECONDS = 15.0
_MOST_ANSWER_BYTES = 8 << 20
_ACCEPTED = 202
_TOLD_OF_OBJECTS = (200, _ACCEPTED, 409)
_PERHAPS_AN_OBJECT = (400, 413, 415, 422)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request: a verdict on each object, in the order sent, or the trouble that it met.

    `retry_after`: seconds, if the platform said so. `refused`: the status with which the request as a whole
    was refused, if that may be an object's fault, else 0. `begun`: a connection was there and the body was
    asked for. `sent_at`: when all of the body was given to the connection, seconds since 1970.
    """

    verdicts: list[Verdict]
    trouble: TransportError | None = None
    retry_after: float | None = None
    refused: int = 0
    begun: bool = True
    sent_at: float = 0.0


class LocalFault(Exception):
    """Reading an object failed while it was sent: the platform has nothing to do with it."""

    def __init__(self, item: OutgoingObject, problem: OSError | PenstockError) -> None:
        super().__init__(type(problem).__name__)
        self.item = item
        self.problem = problem


class Client:
    """Holds the connections to one platform. Make it inside a running event loop; `close` it."""

    def __init__(self, settings: UploaderConfig) -> None:
        self._settings = settings
        self._url = settings.url.rstrip("/") + "/studies"
        self._context = client_context(settings)
        connector = aiohttp.TCPConnector(
            limit=settings.requests_in_flight,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept": "application/dicom+json", "user-agent": f"penstock/{VERSION}"},
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    def renew(self) -> None:
        """Read certificate, key and CA again, for connections made from now on.

        Raises ConfigError, and goes on with what it has, when a file cannot be used.
        """
        self._context = client_context(self._settings)

    async def send(self, objects: Sequence[OutgoingObject]) -> Reply:
        """Send objects in one request and wait for the answer.

        Raises LocalFault when an object cannot be read; whatever the platform or the network does is in the
        Reply.
        """
        sending = _Sending(RequestBody(objects))
        try:
            status, headers, content = await self._post(sending)
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            if sending.fault is not None:
                raise sending.fault from problem
            alert = self._context.take_alert()
            return Reply([], trouble.explain(alert or problem), begun=sending.begun)
        if sending.fault is not None:
            raise sending.fault
        retry_after = _retry_after(headers.get("retry-after", ""))
        if status not in _TOLD_OF_OBJECTS:
            refused = status if status in _PERHAPS_AN_OBJECT else 0
            return Reply([], trouble.of_status(status), retry_after, refused)
        try:
            verdicts = judge(status, content, [Sent(o.sop_instance_uid, o.digest, o.size) for o in objects])
        except TransportError as problem:
            told = trouble.trouble("platform-accepts-only") if status == _ACCEPTED else problem
            return Reply([], told, retry_after)
        return Reply(verdicts, retry_after=retry_after, sent_at=sending.sent_at)

    async def _post(self, sending: _Sending) -> tuple[int, Mapping[str, str], bytes]:
        headers = {
            "content-type": sending.body.content_type,
            "content-length": str(sending.body.length),
        }
        async with (
            sending.watch() as watch,
            self._session.post(
                self._url,
                data=sending.stream(watch),
                headers=headers,
                allow_redirects=False,
                ssl=self._context,
            ) as answer,
        ):
            watch.allow(ANSWER_SECONDS)
            content = bytearray()
            async for piece in answer.content.iter_any():
                content += piece
                if len(content) > _MOST_ANSWER_BYTES:
                    raise aiohttp.ClientPayloadError("the answer is too long")
            return answer.status, answer.headers, bytes(content)


class _Watch:
    """A time limit that moves on with progress."""

    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit = limit
        self.live = True

    def allow(self, seconds: float) -> None:
        if self.live and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + seconds)


class _Sending:
    """One body on its way."""

    def __init__(self, body: RequestBody) -> None:
        self.body = body
        self.fault: LocalFault | None = None
        self.begun = False
        self.sent_at = 0.0

    @contextlib.asynccontextmanager
    async def watch(self) -> AsyncIterator[_Watch]:
        async with asyncio.timeout(CONNECT_SECONDS + STALL_SECONDS) as limit:
            watch = _Watch(limit)
            try:
                yield watch
            finally:
                watch.live = False

    async def stream(self, watch: _Watch) -> AsyncIterator[bytes]:
        """The body; its caller asks for the next piece when the connection has taken enough of the last."""
        self.begun = True
        try:
            for piece in self.body.chunks():
                watch.allow(STALL_SECONDS)
                yield piece
        except (OSError, PenstockError) as problem:
            self.fault = LocalFault(self.body.current, problem)
            raise
        self.sent_at = time.time()
        reached("sent-before-receipt")
        watch.allow(ANSWER_SECONDS)


def _retry_after(value: str) -> float | None:
    """Retry-After (RFC 9110 10.2.3) in seconds; None if there is none or it is nonsense."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
