"""The pages of the gateway's calculator. A Patient ID lives in the memory of one request, here, and goes nowhere."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from engine import log
from engine.calculator.asking import PlatformClient
from engine.calculator.gate import Gate
from engine.calculator.people import People, Session
from engine.config import CalculatorConfig
from engine.errors import PenstockError, TransportError
from engine.pages import calculator
from engine.pages.calculator import Asked, Setting
from engine.pages.forms import FormError, read_form
from engine.pages.lookup import Version, calculate, hashed_ids, with_found
from engine.pages.rendering import Pages, Place, View

SESSION, SIGNING_IN = "__Host-penstock-calculator", "__Host-penstock-signing-in"
_PLACES = (Place("calculator", "Calculator", "/"),)
_ENDED = {"session-ended", "gateway-revoked", "gateway-fenced", "gateway-unknown"}
_LOG = log.get("calculator")
Versions = Callable[[], Sequence[Version]]


class Calculator:
    """The page's endpoints. `versions` gives the hash secrets, and raises a PenstockError while there are none."""

    def __init__(
        self, settings: CalculatorConfig, client: PlatformClient, versions: Versions, *, issuer: bool
    ) -> None:
        self._settings, self._client, self._versions = settings, client, versions
        self._people = People()
        self._pages = Pages(Path(__file__).parent / "templates")
        self._setting = Setting("/", blind=True, issuer_counts=issuer)
        self._institution = ""

    def app(self) -> Starlette:
        """The application."""
        routes = [
            Route("/", self._page, methods=["GET"]),
            Route("/", self._ask, methods=["POST"]),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/signed-in", self._signed_in, methods=["GET"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/static/{name}", self._pages.assets.endpoint, methods=["GET"]),
        ]
        made = Starlette(
            routes=routes,
            middleware=[Middleware(Gate, settings=self._settings)],
            exception_handlers={PenstockError: self._foreseen, Exception: self._broken},
        )
        made.router.redirect_slashes = False
        return made

    def _session(self, request: Request) -> Session | None:
        return self._people.find(request.cookies.get(SESSION, ""))

    def _view(self, session: Session | None) -> View:
        if session is None:
            return View()
        ticket = session.ticket
        return View(ticket.institution, ticket.name, session.csrf, _PLACES, "calculator")

    async def _page(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            return self._welcome()
        return calculator.page(self._pages, self._view(session), self._setting, Asked())

    def _welcome(self, problem: PenstockError | None = None, status: int = 200) -> Response:
        return self._pages.answer("welcome.html", View(), status=status, problem=problem)

    async def _sign_in(self, _request: Request) -> Response:
        """Begin: bind a state to this browser, and send it to the platform."""
        try:
            announced = await asyncio.to_thread(self._client.announce, self._settings.url)
        except PenstockError as problem:
            _LOG.failure("sign-in-impossible", problem)
            return self._welcome(problem, 503)
        where = self._settings.sign_in or sign_in_address(self._client.url, announced.web_port)
        cookie, made = self._people.begin()
        query = {"gateway": announced.gateway_id, "state": made.state, "challenge": made.challenge}
        href = f"{where}/gateway-sign-in?{urlencode(query)}"
        # Not a redirect: the policy `form-action 'self'` holds for where a form's answer leads, too.
        answer = self._pages.answer("step.html", View(), href=href)
        answer.headers["refresh"] = f"0; url={href}"
        # Lax: it has to come along when the platform sends the browser back.
        answer.set_cookie(
            SIGNING_IN, cookie, max_age=600, path="/", secure=True, httponly=True, samesite="lax"
        )
        return answer

    async def _signed_in(self, request: Request) -> Response:
        query = request.query_params
        made = self._people.take(request.cookies.get(SIGNING_IN, ""), query.get("state", ""))
        if made is None:
            problem = TransportError(
                "sign-in-strange", "this sign-in did not begin in this browser, or long ago"
            )
            _LOG.warning("sign-in-refused", code=problem.code)
            return self._welcome(problem, 403)
        try:
            ticket = await asyncio.to_thread(self._client.redeem, query.get("code", ""), made.verifier)
        except PenstockError as problem:
            _LOG.failure("sign-in-refused", problem)
            return self._welcome(problem, 403)
        answer = self._pages.answer("step.html", View(), href="/")
        answer.headers["refresh"] = "0; url=/"
        answer.delete_cookie(SIGNING_IN, path="/", secure=True, httponly=True, samesite="lax")
        cookie = self._people.enter(ticket)
        answer.set_cookie(SESSION, cookie, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    async def _sign_out(self, request: Request) -> Response:
        session = self._session(request)
        if session is not None and await self._meant(request, session):
            self._people.leave(request.cookies.get(SESSION, ""))
            try:
                await asyncio.to_thread(self._client.end, session.ticket.ticket)
            except PenstockError as problem:
                _LOG.failure("ticket-not-ended", problem)  # it ends by itself; this session has ended
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(SESSION, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    async def _meant(self, request: Request, session: Session) -> bool:
        given = (await read_form(request)).text("csrf")
        return hmac.compare_digest(given.encode("utf-8", "replace"), session.csrf.encode())

    async def _ask(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            problem = TransportError("session-ended", "you were signed out because some time had passed")
            return self._welcome(problem, 401)
        view, asked = self._view(session), Asked()
        try:
            form = await read_form(request)
            if not await self._meant(request, session):
                raise FormError("csrf", "the form is not of this session", hint="load the page again")
            asked = Asked.of(form)
            patients = await asyncio.to_thread(asked.patients)
            versions = await asyncio.to_thread(self._versions)
        except PenstockError as problem:
            _LOG.info("look-up-refused", code=problem.code)
            return calculator.page(self._pages, view, self._setting, asked, error=problem)
        issuer = asked.issuer if self._setting.issuer_counts else None
        rows = await asyncio.to_thread(calculate, patients.entries, versions, issuer)
        current = list(dict.fromkeys(row.hashed[0].value for row in rows if row.hashed))
        unanswered = ""
        try:
            if current:
                found = await asyncio.to_thread(
                    self._client.studies, hashed_ids(rows), current, session.ticket.ticket
                )
                rows = with_found(rows, found)
        except PenstockError as problem:
            if problem.code in _ENDED:
                self._people.leave(request.cookies.get(SESSION, ""))
                return self._welcome(problem, 401)
            if problem.code == "too-many-attempts":
                return calculator.page(self._pages, view, self._setting, asked, error=problem, status=429)
            _LOG.failure("studies-unknown", problem)
            unanswered = f"{problem.message[:1].upper()}{problem.message[1:]}."
        if asked.csv:
            return calculator.table(rows, with_patient_ids=asked.with_patient_ids)
        return calculator.page(
            self._pages,
            view,
            self._setting,
            asked,
            patients=patients,
            rows=rows,
            unanswered=unanswered,
        )

    async def _foreseen(self, _request: Request, problem: Exception) -> Response:
        if not isinstance(problem, PenstockError):
            raise problem
        return self._welcome(problem, calculator.STATUSES.get(problem.code, 400))

    async def _broken(self, _request: Request, problem: Exception) -> Response:
        _LOG.failure("request-broken", problem)
        return self._welcome(
            TransportError("internal", "the calculator failed; the gateway's log says where"), 500
        )


def sign_in_address(url: str, port: int) -> str:
    """Where people sign in: the platform's host as the uploader knows it, at the port of its pages."""
    host = urlsplit(url).hostname or ""
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"
