"""The gate before every endpoint: which route, who asks, may they, did they mean it, is the body short enough.

It answers a refusal itself, before an endpoint runs and before the body is read; each has a row in the audit trail.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine import log
from engine.errors import PenstockError
from engine.pages.forms import FormError, read_form
from engine.pages.headers import securing
from engine.platform.accounts.attempts import Attempts, Limit, network
from engine.platform.accounts.headers import is_ours, local_path, wants_json
from engine.platform.accounts.person import Person
from engine.platform.answers import json_answer
from engine.platform.audit import Actor, Audit
from engine.platform.errors import AccountError
from engine.platform.permissions import BODIES, USUAL_BODY, WITHOUT_COOKIES, Role, allowed, find_route

SIGN_IN_PAGE = "/sign-in"
# Rows in the audit trail that somebody unknown can cause. Above that they are turned away without one.
_STRANGERS = Limit("refusals", 240, 60, 60, 600)
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_STATUS = {
    "not-signed-in": 401,
    "session-ended": 401,
    "too-many-attempts": 429,
    "form-too-large": 413,
    "body-too-large": 413,
    "form-type": 400,
    "form-malformed": 400,
}
_RECEIVE = "penstock.receive"
_DRAINED_BYTES = 64 << 20
_DRAIN_SECONDS = 10.0
_LOG = log.get("platform")
ProblemPage = Callable[[Request, int, PenstockError], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Who:
    """Who makes a request. `ended`: there was a session's cookie, of a session that is no more."""

    actor: Actor
    roles: frozenset[Role] = frozenset()
    tenant: str | None = None
    person: Person | None = None
    ended: bool = False


# Finds out who makes a request, without reading its body. May raise a PenstockError: refused with 403.
Identify = Callable[[Request], Awaitable[Who]]


class Gate:
    """ASGI middleware around one application. `web`: people's, with cookies, CSRF and security headers."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[BaseRoute],
        identify: Identify,
        audit: Audit,
        attempts: Attempts,
        web: bool,
        problem_page: ProblemPage | None = None,
    ) -> None:
        self._app, self._routes, self._identify = app, routes, identify
        self._audit, self._attempts, self._web = audit, attempts, web
        self._problem_page = problem_page or _plain_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        if self._web:
            send = securing(send)
        name = find_route(self._routes, scope)
        if name is None:  # no endpoint will run: the application says that there is nothing here
            await self._app(scope, receive, send)
            return
        scope[_RECEIVE] = receive
        counted = _Counted(receive, BODIES.get(name, USUAL_BODY))
        request = Request(scope, counted)
        refusal = await self._refusal(name, request)
        if refusal is not None:
            await refusal(scope, counted, send)
            return
        answer = _Answer(send)
        try:
            await self._app(scope, counted, answer)
        except _TooLong:
            if answer.begun:
                raise
            await (await self._refused(name, request, self._who(request), _too_long()))(scope, counted, send)

    async def _refusal(self, name: str, request: Request) -> Response | None:
        who = Who(Actor("anonymous", "", _address(request)))
        try:
            if name not in WITHOUT_COOKIES:
                who = await self._identify(request)
            request.state.who, request.state.person = who, who.person
            _check_role(name, who)
            _check_length(name, request)
            if self._web and request.method not in _SAFE_METHODS and name not in WITHOUT_COOKIES:
                await _check_meant(name, request, who)
        except _TooLong:
            return await self._refused(name, request, who, _too_long())
        except PenstockError as problem:
            return await self._refused(name, request, who, problem)
        return None

    @staticmethod
    def _who(request: Request) -> Who:
        who = getattr(request.state, "who", None)
        return who if isinstance(who, Who) else Who(Actor("anonymous", "", _address(request)))

    async def _refused(self, name: str, request: Request, who: Who, problem: PenstockError) -> Response:
        """The answer to a refusal, after its row in the audit trail."""
        try:
            if who.tenant is None:
                await asyncio.to_thread(self._attempts.take, _STRANGERS, network(who.actor.address))
            await asyncio.to_thread(
                self._audit.record,
                "access",
                actor=who.actor,
                tenant=who.tenant,
                outcome="refused",
                subject=name,
                detail={"code": problem.code, "method": request.method},
            )
        except AccountError as too_many:
            _LOG.warning("stranger-turned-away", address=who.actor.address)
            problem = too_many
        status = _STATUS.get(problem.code, 403)
        _LOG.info("access-refused", route=name, code=problem.code, status=status)
        answer = await self._answer(request, status, problem)
        if request.method not in _SAFE_METHODS:
            answer.headers["connection"] = "close"  # the body has not been read
        if status == 413 and who.person is not None:
            await _drain(request.scope[_RECEIVE])  # so that a browser gets to show the answer
        wait = getattr(problem, "wait", 0)
        if wait:
            answer.headers["retry-after"] = str(wait)
        return answer

    async def _answer(self, request: Request, status: int, problem: PenstockError) -> Response:
        if not self._web or wants_json(request):
            return json_answer({"error": problem.describe()}, status)
        if status == 401 and request.method in _SAFE_METHODS:
            query = f"?{request.url.query}" if request.url.query else ""
            back = local_path(request.url.path + query)
            return RedirectResponse(
                f"{SIGN_IN_PAGE}?{urlencode({'problem': problem.code, 'next': back})}", 303
            )
        return await self._problem_page(request, status, problem)


def _check_role(name: str, who: Who) -> None:
    if allowed(name, who.roles):
        return
    if who.tenant is None and who.ended:
        raise AccountError("session-ended", "the session has ended", hint="sign in again")
    if who.tenant is None:
        raise AccountError("not-signed-in", "this needs a sign-in")
    raise AccountError(
        "not-allowed", "your roles do not allow this", hint="ask an administrator of your institution"
    )


def _check_length(name: str, request: Request) -> None:
    most = BODIES.get(name, USUAL_BODY)
    told = request.headers.get("content-length", "0")
    if most is not None and not (told.isdecimal() and len(told) < 20 and int(told) <= most):
        raise _too_long()


async def _check_meant(name: str, request: Request, who: Who) -> None:
    """Cross-site request forgery: the request must come from a page of ours, and carry the session's token."""
    if not is_ours(request):
        raise AccountError(
            "cross-site",
            "this request did not come from a page of this platform",
            hint="programs send the header Origin with the platform's address",
        )
    if who.person is None:
        return
    given = request.headers.get("x-csrf-token")
    if given is None:
        form = await read_form(request, BODIES.get(name, USUAL_BODY) or USUAL_BODY)
        given = form.text("csrf")
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), who.person.csrf.encode()):
        raise AccountError(
            "csrf", "the form is not of this session", hint="load the page again, then send it again"
        )


class _TooLong(Exception):
    pass


class _Counted:
    """Receives a body, and no more of it than is allowed."""

    def __init__(self, receive: Receive, most: int | None) -> None:
        self._receive, self._most, self._length = receive, most, 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._length += len(message.get("body", b""))
        if self._most is not None and self._length > self._most:
            raise _TooLong
        return message


class _Answer:
    """Sends, and remembers whether an answer has begun."""

    begun = False

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        self.begun = True
        await self._send(message)


async def _drain(receive: Receive) -> None:
    """Read what is left of a body that is too long, and throw it away."""
    left = _DRAINED_BYTES
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _too_long() -> FormError:
    return FormError("body-too-large", "the request is longer than it may be here", hint="send less at once")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _plain_page(_request: Request, status: int, problem: PenstockError) -> Response:
    words = escape(f"{problem.message[:1].upper()}{problem.message[1:]}.")
    hint = f"<p>{escape(problem.hint[:1].upper() + problem.hint[1:])}.</p>" if problem.hint else ""
    page = f'<!doctype html><html lang="en"><title>Penstock</title><h1>{words}</h1>{hint}<p><a href="/">Penstock</a></p></html>'
    return Response(page, status, media_type="text/html")
