"""SQL, HTML and header injection in every field of every page, and of every address."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from tests.support.web_platform import TENANT, Session, WebPlatform

SessionOf = Callable[[str], Session]
NASTY = (
    "' OR '1'='1' --",
    '"; DROP TABLE studies; --',
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}${7*7}",
    "x\r\nSet-Cookie: stolen=1\r\n\r\n<h1>",
    "../../../../etc/passwd",
    "\x00\x1b[2J",
    "%s%n%00",
    "\U0001f4a9\u202e",
    "A" * 5000,
    "javascript:alert(1)",
)
# Who, the page, and the fields of its address.
ADDRESSES = (
    ("", "/sign-in", ("next", "problem", "done", "wait")),
    ("", "/gateway-sign-in", ("gateway", "state", "challenge")),
    ("anna", "/account", ("problem", "done")),
    ("anna", "/calculator", ("ids",)),
    ("anna", "/gateway-sign-in/confirm", ("gateway", "state", "challenge")),
    ("rosa", "/studies", ("q", "modality", "since", "until", "page")),
    ("ada", "/gateways", ("problem", "done")),
    ("ada", "/accounts", ("problem", "done", "wait")),
    ("otto", "/audit", ("event", "outcome", "actor", "subject", "before")),
    ("otto", "/audit/table", ("event", "outcome", "actor", "subject")),
)
# Who, the form, its fields, and what else it needs.
FORMS: tuple[tuple[str, str, tuple[str, ...], dict[str, str]], ...] = (
    ("", "/sign-in", ("institution", "name", "password", "next"), {"name": "nobody", "password": "x"}),
    ("anna", "/calculator", ("ids", "column", "issuer", "answer", "patient_ids"), {"ids": "1"}),
    ("anna", "/account/password", ("old", "password"), {"old": "x", "password": "seven calm rivers"}),
    ("anna", "/gateway-sign-in/confirm", ("gateway", "state", "challenge"), {}),
    ("ada", "/gateways/tokens", ("gateway", "lifetime"), {"lifetime": "60"}),
    ("ada", "/accounts", ("name", "password", "role"), {"name": "x", "password": "y", "role": "auditor"}),
    ("otto", "/audit/verify", ("other",), {}),
)
PATHS = (
    ("rosa", "GET", "/studies/{}"),
    ("anna", "GET", "/static/{}"),
    ("ada", "POST", "/gateways/{}/revoke"),
    ("ada", "POST", "/gateways/tokens/{}/withdraw"),
    ("ada", "POST", "/accounts/{}/roles"),
    ("ada", "POST", "/accounts/{}/password"),
    ("ada", "POST", "/accounts/{}/disable"),
)


@pytest.fixture(autouse=True)
def forgiven(platform: WebPlatform) -> Iterator[None]:
    """So many wrong names and passwords lock this address out, which other tests have not deserved."""
    yield
    platform.forget_attempts()


def _session(session_of: SessionOf, platform: WebPlatform, name: str) -> Session:
    return session_of(name) if name else Session(platform)


def _harmless(answer: tuple[int, object, bytes], nasty: str, where: str) -> None:
    status, headers, body = answer
    assert status < 500 or status == 503, where
    page = body.decode("utf-8")
    if any(sign in nasty for sign in "<>\"'"):
        assert nasty not in page.replace(html.escape(nasty), ""), where
    assert "onerror=alert(1)>" not in page, where
    assert "stolen" not in str(dict(headers)).lower(), where  # type: ignore[call-overload]
    assert "\r\nSet-Cookie" not in str(headers), where
    assert "49${" not in page, where
    location = str(dict(headers).get("location", "/"))  # type: ignore[call-overload]
    assert location.startswith("/"), where
    assert not location.startswith(("//", "/\\")), where


@pytest.mark.parametrize(("name", "path", "fields"), ADDRESSES, ids=str)
def test_addresses_do_no_harm(
    session_of: SessionOf, platform: WebPlatform, name: str, path: str, fields: tuple[str, ...]
) -> None:
    session = _session(session_of, platform, name)
    for field in fields:
        for nasty in NASTY:
            _harmless(session.get(f"{path}?{field}={quote(nasty)}"), nasty, f"{path} {field} {nasty[:40]!r}")


@pytest.mark.parametrize(("name", "path", "fields", "rest"), FORMS, ids=lambda value: str(value)[:40])
def test_forms_do_no_harm(
    session_of: SessionOf,
    platform: WebPlatform,
    name: str,
    path: str,
    fields: tuple[str, ...],
    rest: dict[str, str],
) -> None:
    session = _session(session_of, platform, name)
    for field in fields:
        for nasty in NASTY:
            answer = session.post(path, {**rest, field: nasty})
            _harmless(answer, nasty, f"{path} {field} {nasty[:40]!r}")


@pytest.mark.parametrize(("name", "method", "path"), PATHS, ids=str)
def test_paths_do_no_harm(
    session_of: SessionOf, platform: WebPlatform, name: str, method: str, path: str
) -> None:
    session = session_of(name)
    for nasty in NASTY:
        address = path.format(quote(nasty, safe=""))
        answer = (
            session.get(address)
            if method == "GET"
            else session.post(address, {"role": "auditor", "password": "x"})
        )
        _harmless(answer, nasty, f"{address[:80]}")
        assert answer[0] in {200, 303, 404, 413, 414, 400, 431}, address[:80]


def test_nothing_was_changed_by_all_that(session_of: SessionOf, platform: WebPlatform) -> None:
    """The tables are there, the people too, and the trail is whole; run after the others in this file."""
    status, _, page = session_of("rosa").get("/studies?q=2.25.700")
    assert status == 200
    assert b"2.25.700" in page
    _, _, people = session_of("ada").get("/accounts")
    assert all(f"<strong>{name}</strong>".encode() in people for name in ("ada", "anna", "otto", "rosa"))
    _, _, verified = session_of("otto").post("/audit/verify", {})
    assert b"Nothing was changed, removed or cut off." in verified


def test_headers_of_requests_do_no_harm(session_of: SessionOf, platform: WebPlatform) -> None:
    anna = session_of("anna")
    for name in (
        "Host",
        "X-Forwarded-Host",
        "Forwarded",
        "User-Agent",
        "Accept-Language",
        "Referer",
        "X-Forwarded-For",
    ):
        status, headers, body = anna.send("GET", "/calculator", None, {name: "evil.example"})
        assert status in {200, 303, 400, 421}
        assert b"evil.example" not in body
        assert "evil.example" not in str(dict(headers))
    told = platform.kept()
    assert b"evil.example" not in told


def test_every_answer_has_the_headers_that_protect(session_of: SessionOf, platform: WebPlatform) -> None:
    for name, path in (
        ("", "/sign-in"),
        ("anna", "/calculator"),
        ("anna", "/nothing-here"),
        ("anna", "/audit"),
    ):
        _, headers, _ = _session(session_of, platform, name).get(path)
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_a_link_cannot_make_a_page_say_something(session_of: SessionOf) -> None:
    _, _, page = session_of("ada").get("/accounts?problem=Call%20+49%20123%20now")
    assert b"Call" not in page
    assert b"That was not possible." in page


def test_an_open_redirect_is_none(platform: WebPlatform) -> None:
    from tests.support.web_platform import PASSWORD

    for target in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\t//evil.example",
        "javascript:1",
    ):
        form = {"institution": TENANT, "name": "rosa", "password": PASSWORD, "next": target}
        status, headers, _ = Session(platform).post("/sign-in", form)
        assert (status, headers["location"]) == (303, "/")
