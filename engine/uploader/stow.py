"""STOW-RS (PS3.18 10.5) to any server: one request, from a request body to a verdict on each of its objects."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import time
from collections.abc import AsyncIterator, Mapping, Sequence

import aiohttp

from engine.config import StowDestination, UploaderConfig
from engine.errors import PenstockError, TransportError
from engine.spool.killpoint import reached
from engine.spool.release import ReceiptKind
from engine.uploader import secret_files
from engine.uploader.answers import NotAResponse
from engine.uploader.body import RequestBody
from engine.uploader.carrier import Load, LocalFault, Reply
from engine.uploader.outgoing import OutgoingObject
from engine.uploader.tls import ClientContext, client_context
from engine.uploader.trouble import Troubles
from engine.uploader.verdicts import Receipted, Sent, judge, referenced
from engine.version import VERSION

CONNECT_SECONDS = 15.0
STALL_SECONDS = 60.0
ANSWER_SECONDS = 300.0
MOST_ANSWER_BYTES = 8 << 20
_KEEP_ALIVE_SECONDS = 15.0
_ACCEPTED = 202
_TOLD_OF_OBJECTS = (200, _ACCEPTED, 409)
_PERHAPS_AN_OBJECT = (400, 413, 415, 422)


class StowCarrier:
    """Holds the connections to one server. A bare reference is its receipt."""

    receipt = ReceiptKind.ACCEPTED
    receipted: Receipted = staticmethod(referenced)
    asks_first = False  # Expect: 100-continue (RFC 9110 10.1.1), which not every server knows

    def __init__(self, settings: StowDestination | UploaderConfig, troubles: Troubles) -> None:
        self._settings = settings
        self.troubles = troubles
        self.load = Load(
            settings.requests_in_flight, settings.objects_per_request, settings.bytes_per_request
        )
        self.url = settings.url.rstrip("/")
        self._context: ClientContext | None = None
        self._headers: dict[str, str] = {}
        self.renew()
        connector = aiohttp.TCPConnector(
            limit=settings.requests_in_flight, keepalive_timeout=_KEEP_ALIVE_SECONDS
        )
        self.session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "accept": "application/dicom+json",
                "accept-encoding": "identity",
                "user-agent": f"penstock/{VERSION}",
            },
            auto_decompress=False,
        )

    async def close(self) -> None:
        """See Carrier."""
        await self.session.close()

    def renew(self) -> None:
        """See Carrier."""
        settings, section = self._settings, self.troubles.section
        if settings.url.startswith("https:"):
            self._context = client_context(section, settings.ca, settings.certificate, settings.key)
        if isinstance(settings, StowDestination) and settings.token_file is not None:
            self._headers = secret_files.bearer(f"{section}.token_file", settings.token_file)
        elif isinstance(settings, StowDestination) and settings.username and settings.password_file:
            key = f"{section}.password_file"
            self._headers = secret_files.basic(settings.username, key, settings.password_file)

    @property
    def tls(self) -> ClientContext | bool:
        """What aiohttp wants to know about TLS."""
        return self._context if self._context is not None else True

    async def send(self, objects: Sequence[OutgoingObject]) -> Reply:
        """See Carrier."""
        sending = _Sending(RequestBody(objects))
        try:
            status, headers, content = await self._post(sending)
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            if sending.fault is not None:
                raise sending.fault from problem
            return Reply(trouble=self.explain(problem), begun=sending.begun)
        if sending.fault is not None:
            raise sending.fault
        retry_after = _retry_after(headers.get("retry-after", ""))
        if status not in _TOLD_OF_OBJECTS:
            refused = f"http-{status}" if status in _PERHAPS_AN_OBJECT else ""
            told = self.refusal(status, content)
            return Reply(trouble=told, retry_after=retry_after, refused=refused, begun=sending.begun)
        sent = [Sent(one.sop_instance_uid, one.digest, one.size) for one in objects]
        try:
            verdicts = judge(status, content, sent, self.receipted)
        except NotAResponse:
            told = self.troubles.of("accepts-only" if status == _ACCEPTED else "answer")
            return Reply(trouble=told, retry_after=retry_after)
        return Reply(verdicts, retry_after=retry_after, sent_at=sending.sent_at)

    def refusal(self, status: int, content: bytes) -> TransportError:  # noqa: ARG002 - a platform's says more
        """What an answer means that says nothing about single objects."""
        return self.troubles.of_status(status)

    def explain(self, problem: BaseException) -> TransportError:
        """What an exception of the HTTP client means; an alert of the peer that came before says more."""
        alert = self._context.take_alert() if self._context is not None else None
        return self.troubles.explain(alert or problem)

    async def _post(self, sending: _Sending) -> tuple[int, Mapping[str, str], bytes]:
        headers = {
            "content-type": sending.body.content_type,
            "content-length": str(sending.body.length),
            **self._headers,
        }
        async with (
            sending.watch() as watch,
            self.session.post(
                self.url + "/studies",
                data=sending.stream(watch),
                headers=headers,
                allow_redirects=False,
                ssl=self.tls,
                expect100=self.asks_first,
            ) as answer,
        ):
            watch.allow(ANSWER_SECONDS)
            content = bytearray()
            async for piece in answer.content.iter_any():
                content += piece
                if len(content) > MOST_ANSWER_BYTES:
                    raise aiohttp.ClientPayloadError("the answer is too long")
            return answer.status, answer.headers, bytes(content)


class _Watch:
    """A time limit that moves on with progress."""

    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit = limit
        self._now = asyncio.get_running_loop().time
        self._until = 0.0
        self.live = True

    def allow(self, seconds: float) -> None:
        """So long from now on, to a sixtieth: a timer for each piece would cost more than the piece."""
        until = self._now() + seconds
        if abs(until - self._until) > seconds / 60 and self.live and not self._limit.expired():
            self._until = until
            self._limit.reschedule(until)


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
