"""The two applications: one for gateways and machines, which have client certificates, and one for people.

A room brings its routes as a list from `routes(platform)` in its own `routes` module; every route has a name.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from engine import log
from engine.errors import PenstockError
from engine.platform import machine_routes
from engine.platform.accounts import routes as accounts_routes
from engine.platform.accounts.audit_routes import audit_routes
from engine.platform.accounts.gate import Gate, Identify, ProblemPage
from engine.platform.accounts.identify import by_certificate, by_session
from engine.platform.accounts.oidc_routes import oidc_routes
from engine.platform.answers import json_answer, problem_answer
from engine.platform.calculators.gateway_routes import calculator_routes
from engine.platform.dicomweb import routes as dicomweb
from engine.platform.gateways.routes import enrol_routes, gateway_routes
from engine.platform.parts import Platform
from engine.platform.web.room import Room
from engine.platform.web.routes import routes as page_routes

__all__ = ["Platform", "make_app", "make_web_app"]

_LOG = log.get("platform")


def make_app(platform: Platform) -> Starlette:
    """The application of `[platform]`, behind mutual TLS."""
    routes = [
        *gateway_routes(platform),
        *calculator_routes(platform),
        *machine_routes.routes(platform),
    ]
    return _application(platform, routes, by_certificate(), web=False)


def make_web_app(platform: Platform) -> Starlette:
    """The application of `[web]`: TLS without client certificates."""

    room = Room(platform)

    async def health(_request: Request) -> Response:
        failed = platform.committer.failed
        return json_answer({"status": "failed" if failed else "ok"}, 503 if failed else 200)

    routes = [
        Route("/health", health, methods=["GET"], name="web-health"),
        *accounts_routes.routes(platform),
        *oidc_routes(platform),
        *audit_routes(platform),
        *enrol_routes(platform),
        Mount("/dicom-web", routes=dicomweb.routes(platform)),
        *page_routes(room),
    ]
    identify = by_session(platform.accounts.sessions)
    return _application(platform, routes, identify, web=True, problem_page=room.problem)


def _application(
    platform: Platform,
    routes: Sequence[BaseRoute],
    identify: Identify,
    *,
    web: bool,
    problem_page: ProblemPage | None = None,
) -> Starlette:
    gate = Middleware(
        Gate,
        routes=routes,
        identify=identify,
        audit=platform.audit,
        attempts=platform.accounts.attempts,
        web=web,
        problem_page=problem_page,
    )
    application = Starlette(
        routes=routes,
        middleware=[gate],
        exception_handlers={
            PenstockError: _foreseen,
            ClientDisconnect: _gone,
            HTTPException: _http,
            Exception: _broken,
        },
    )
    application.router.redirect_slashes = False  # a redirect made of the Host header helps nobody
    return application


async def _foreseen(_request: Request, problem: Exception) -> Response:
    if not isinstance(problem, PenstockError):
        raise problem
    return problem_answer(problem)


async def _gone(_request: Request, _problem: Exception) -> Response:
    _LOG.info("client-gone")
    return Response(status_code=400)  # nobody reads it


async def _http(_request: Request, problem: Exception) -> Response:
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    return json_answer(
        {"error": {"code": "http", "message": "there is no such place or method here"}}, status
    )


async def _broken(_request: Request, problem: Exception) -> Response:
    _LOG.failure("request-broken", problem)
    return json_answer(
        {"error": {"code": "internal", "message": "the platform failed; its log says where"}}, 500
    )
