"""The cookies of people's application, where its links may lead, and whether a request is one of its pages'."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

SESSION_COOKIE = "__Host-penstock"
OIDC_COOKIE = "__Host-penstock-oidc"
_LONGEST_NEXT = 512


def set_session(answer: Response, token: str) -> None:
    """Give the browser its session. SameSite=Strict: no page of somebody else's ever sends it."""
    answer.set_cookie(SESSION_COOKIE, token, path="/", secure=True, httponly=True, samesite="strict")


def end_session(answer: Response) -> None:
    """Take the cookie away."""
    answer.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="strict")


def local_path(target: str) -> str:
    """Where to go after signing in: the path if it is one of this host, else "/".

    Browsers take "//host", "/\\host" and control characters in a path for another host's address.
    """
    wrong = (
        len(target) > _LONGEST_NEXT
        or not target.startswith("/")
        or target.startswith("//")
        or "\\" in target
        or not target.isascii()
        or not target.isprintable()
    )
    return "/" if wrong else quote(target, safe="/?&=%.,:@!$'()*+;~-_")


def wants_json(request: Request) -> bool:
    """Whether a program asked: its Accept names JSON and not HTML."""
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def is_ours(request: Request) -> bool:
    """Whether a request that changes something comes from a page of this host, as the browser tells.

    Our pages send no referrer, which makes the Origin of their forms "null"; so Sec-Fetch-Site counts first, which
    pages cannot set. A program without a browser says Origin.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("origin") == f"https://{request.headers.get('host', '')}"
