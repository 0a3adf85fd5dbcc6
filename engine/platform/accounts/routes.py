"""What people's pages send: signing in and out, one's own password, and the administration of accounts.

A form is answered by 303 to a page, with `done` or `problem` in the query; a program that asks for JSON gets JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from engine.errors import PenstockError
from engine.pages.forms import read_form
from engine.platform.accounts.headers import SESSION_COOKIE, end_session, local_path, set_session, wants_json
from engine.platform.accounts.person import Person
from engine.platform.answers import json_answer
from engine.platform.errors import AccountError

if TYPE_CHECKING:
    from engine.platform.parts import Platform

SIGN_IN_PAGE, ACCOUNT_PAGE, ACCOUNTS_PAGE = "/sign-in", "/account", "/accounts"
_STATUS = {
    "sign-in-refused": 401,
    "password-wrong": 403,
    "too-many-attempts": 429,
    "no-account": 404,
    "account-exists": 409,
    "last-administrator": 409,
}
_LONGEST_FORM = 64 << 10
Endpoint = Callable[["Platform", Request], Awaitable[Response]]


def routes(platform: Platform) -> list[Route]:
    """The routes of this room, for people's application."""

    def route(path: str, name: str, work: Endpoint) -> Route:
        async def endpoint(request: Request) -> Response:
            return await work(platform, request)

        return Route(path, endpoint, methods=["POST"], name=name)

    return [
        route("/sign-in", "sign-in", _sign_in),
        route("/sign-out", "sign-out", _sign_out),
        route("/account/password", "change-password", _change_password),
        route("/accounts", "account-create", _create),
        route("/accounts/{account}/roles", "account-roles", _roles),
        route("/accounts/{account}/password", "account-password", _password),
        route("/accounts/{account}/disable", "account-disable", _disable),
        route("/accounts/{account}/enable", "account-enable", _enable),
        route("/accounts/{account}/sign-out", "account-sign-out", _end_sessions),
    ]


def signed_in(request: Request) -> Person:
    """Who is signed in; the gate lets nobody else reach an endpoint that asks."""
    person = request.state.person
    if not isinstance(person, Person):
        raise AccountError("not-signed-in", "this needs a sign-in")
    return person


async def _sign_in(platform: Platform, request: Request) -> Response:
    form = await read_form(request, _LONGEST_FORM)
    after = local_path(form.text("next", "/"))
    try:
        begun = await asyncio.to_thread(
            platform.signing_in.by_password,
            form.text("institution"),
            form.text("name"),
            form.text("password"),
            address=request.client.host if request.client else "",
            old_token=request.cookies.get(SESSION_COOKIE, ""),
        )
    except AccountError as problem:
        return problem_answer(request, problem, SIGN_IN_PAGE, next=after)
    answer = _done(request, after, {"account": begun.account.describe()})
    set_session(answer, begun.token)
    return answer


async def _sign_out(platform: Platform, request: Request) -> Response:
    await asyncio.to_thread(platform.signing_in.end, signed_in(request))
    answer = _done(request, f"{SIGN_IN_PAGE}?done=signed-out", {})
    end_session(answer)
    answer.headers["clear-site-data"] = '"cache", "storage"'
    return answer


async def _change_password(platform: Platform, request: Request) -> Response:
    form = await read_form(request, _LONGEST_FORM)
    try:
        begun = await asyncio.to_thread(
            platform.signing_in.change_password, signed_in(request), form.text("old"), form.text("password")
        )
    except AccountError as problem:
        return problem_answer(request, problem, ACCOUNT_PAGE)
    answer = _done(request, f"{ACCOUNT_PAGE}?done=password", {})
    set_session(answer, begun.token)
    return answer


async def _create(platform: Platform, request: Request) -> Response:
    person, form = signed_in(request), await read_form(request, _LONGEST_FORM)
    try:
        account = await asyncio.to_thread(
            platform.accounts.create,
            person.tenant,
            form.text("name"),
            form.text("password"),
            form.all("role"),
            by=person.actor,
        )
    except AccountError as problem:
        return problem_answer(request, problem, ACCOUNTS_PAGE)
    return _done(request, f"{ACCOUNTS_PAGE}?done=created", {"account": account.describe()})


async def _roles(platform: Platform, request: Request) -> Response:
    person, form = signed_in(request), await read_form(request, _LONGEST_FORM)
    return await _changed(request, "roles", platform.accounts.set_roles, form.all("role"), by=person.actor)


async def _password(platform: Platform, request: Request) -> Response:
    person, form = signed_in(request), await read_form(request, _LONGEST_FORM)
    new = form.text("password")
    return await _changed(request, "password", platform.accounts.set_password, new, by=person.actor)


async def _disable(platform: Platform, request: Request) -> Response:
    return await _changed(request, "disabled", platform.accounts.disable, by=signed_in(request).actor)


async def _enable(platform: Platform, request: Request) -> Response:
    return await _changed(request, "enabled", platform.accounts.enable, by=signed_in(request).actor)


async def _end_sessions(platform: Platform, request: Request) -> Response:
    return await _changed(request, "signed-out", platform.accounts.sign_out, by=signed_in(request).actor)


async def _changed(
    request: Request, done: str, change: Callable[..., object], *values: object, **named: object
) -> Response:
    account_id = request.path_params["account"]
    try:
        await asyncio.to_thread(change, signed_in(request).tenant, account_id, *values, **named)
    except AccountError as problem:
        return problem_answer(request, problem, ACCOUNTS_PAGE)
    return _done(request, f"{ACCOUNTS_PAGE}?done={done}", {})


def _done(request: Request, page: str, told: dict[str, object]) -> Response:
    return json_answer(told) if wants_json(request) else RedirectResponse(page, 303)


def problem_answer(request: Request, problem: PenstockError, page: str, **kept: str) -> Response:
    """What is told of a refusal: JSON, or the page with the problem's code in its query."""
    wait = getattr(problem, "wait", 0)
    if wants_json(request):
        answer = json_answer({"error": problem.describe()}, _STATUS.get(problem.code, 400))
    else:
        told = {"problem": problem.code, **kept} | ({"wait": str(wait)} if wait else {})
        answer = RedirectResponse(f"{page}?{urlencode(told)}", 303)
    if wait:
        answer.headers["retry-after"] = str(wait)
    return answer
