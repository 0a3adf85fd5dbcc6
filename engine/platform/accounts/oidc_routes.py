"""The two places of a sign-in by OpenID Connect: where it begins, and where the provider sends people back to."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from engine.platform.accounts.headers import OIDC_COOKIE, SESSION_COOKIE, local_path, set_session
from engine.platform.accounts.oidc_signing_in import STATE_SECONDS
from engine.platform.accounts.routes import SIGN_IN_PAGE, problem_answer
from engine.platform.errors import AccountError

if TYPE_CHECKING:
    from engine.platform.accounts.oidc_signing_in import OidcSigningIn
    from engine.platform.parts import Platform


def oidc_routes(platform: Platform) -> list[Route]:
    """The routes, or none where no provider is configured."""
    oidc = platform.oidc
    if oidc is None:
        return []

    async def start(request: Request) -> Response:
        return await _start(oidc, request)

    async def callback(request: Request) -> Response:
        return await _callback(oidc, request)

    return [
        Route("/oidc/start", start, methods=["GET"], name="oidc-start"),
        Route("/oidc/callback", callback, methods=["GET"], name="oidc-callback"),
    ]


async def _start(oidc: OidcSigningIn, request: Request) -> Response:
    after = local_path(request.query_params.get("next", "/"))
    try:
        started = await oidc.start(after, address=request.client.host if request.client else "")
    except AccountError as problem:
        return problem_answer(request, problem, SIGN_IN_PAGE, next=after)
    answer = RedirectResponse(started.url, 303)
    # Lax: the provider's redirect is another site's, and must bring this one cookie.
    answer.set_cookie(
        OIDC_COOKIE, started.browser, STATE_SECONDS, path="/", secure=True, httponly=True, samesite="lax"
    )
    return answer


async def _callback(oidc: OidcSigningIn, request: Request) -> Response:
    try:
        begun, after = await oidc.finish(
            request.query_params,
            request.cookies.get(OIDC_COOKIE, ""),
            address=request.client.host if request.client else "",
            old_token=request.cookies.get(SESSION_COOKIE, ""),
        )
    except AccountError as problem:
        answer = problem_answer(request, problem, SIGN_IN_PAGE)
    else:
        answer = _onwards(after)
        set_session(answer, begun.token)
    answer.delete_cookie(OIDC_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def _onwards(after: str) -> Response:
    """A page that goes on by itself. The session's cookie is SameSite=Strict: a redirect that began at the provider
    would not bring it, but a page of ours does.
    """
    place = escape(after, quote=True)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={place}">'
        f'<title>Signed in</title></head><body><p>You are signed in. <a href="{place}">Go on</a></p></body></html>'
    )
