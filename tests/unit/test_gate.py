"""What stands before people's endpoints: forged requests, ended sessions, long bodies, headers, places to go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from engine.platform.accounts.headers import SESSION_COOKIE, local_path
from engine.platform.accounts.person import Person
from engine.platform.audit import SYSTEM, Entry
from tests.support.asgi import Answer, call
from tests.support.platform_rooms import Rooms, rooms

PASSWORD = "correct horse battery"
FORM = {"content-type": "application/x-www-form-urlencoded"}
OURS = {"sec-fetch-site": "same-origin", **FORM}


@pytest.fixture
def made(tmp_path: object) -> Iterator[Rooms]:
    with rooms(tmp_path) as made:  # type: ignore[arg-type]
        made.platform.institutions.add("alpha")
        made.platform.accounts.create("alpha", "jane", PASSWORD, ["administrator"], by=SYSTEM)
        yield made


def _session(made: Rooms) -> tuple[str, Person]:
    token = made.platform.signing_in.by_password("alpha", "jane", PASSWORD, address="192.0.2.1").token
    person = made.platform.accounts.sessions.find(token)
    assert person is not None
    return token, person


def _post(made: Rooms, path: str, fields: dict[str, str], token: str = "", **headers: str) -> Answer:
    given = {name.replace("_", "-"): value for name, value in headers.items()} or OURS
    cookie = {"cookie": f"{SESSION_COOKIE}={token}"} if token else {}
    return call(made.web, "POST", path, headers={**FORM, **given, **cookie}, body=urlencode(fields).encode())


def _last(made: Rooms, chain: str = "alpha") -> Entry:
    return made.platform.audit.latest(chain, most=1)[0]


def _new_account(made: Rooms, token: str, csrf: str, **headers: str) -> Answer:
    fields = {"name": "bob", "password": PASSWORD, "role": "auditor", "csrf": csrf}
    return _post(made, "/accounts", fields, token, **headers)


def _names(made: Rooms) -> list[str]:
    return [one.name for one in made.platform.accounts.all("alpha")]


def test_signing_in_gives_a_cookie_that_no_script_and_no_other_site_gets(made: Rooms) -> None:
    fields = {"institution": "alpha", "name": "jane", "password": PASSWORD, "next": "/studies?x=1"}
    answer = _post(made, "/sign-in", fields)
    assert (answer.status, answer.header("location")) == (303, "/studies?x=1")
    cookie = answer.header("set-cookie")
    assert cookie.startswith("__Host-penstock=")
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"path=/", "secure", "httponly", "samesite=strict"}
    token = cookie.split(";")[0].partition("=")[2]
    assert made.platform.accounts.sessions.find(token) is not None
    assert _last(made).event == "sign-in" and _last(made).outcome == "success"


def test_a_wrong_password_is_told_without_what_was_typed(made: Rooms) -> None:
    answer = _post(made, "/sign-in", {"institution": "alpha", "name": "kumquat", "password": "x"})
    assert answer.header("location") == "/sign-in?problem=sign-in-refused&next=%2F"
    assert answer.header("set-cookie") == ""
    assert "kumq" not in str(answer) and "kumq" not in str(_last(made)), "no letters that a mark may have"


def test_a_program_gets_json_and_a_status(made: Rooms) -> None:
    fields = {"institution": "alpha", "name": "jane", "password": "x"}
    for _ in range(5):
        answer = _post(
            made, "/sign-in", fields, accept="application/json", **{"sec-fetch-site": "same-origin"}
        )
        assert answer.status == 401 and json.loads(answer.body)["error"]["code"] == "sign-in-refused"
    answer = _post(made, "/sign-in", fields, accept="application/json", **{"sec-fetch-site": "same-origin"})
    assert answer.status == 429 and int(answer.header("retry-after")) > 0


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": "https://localhost"},
        {"origin": "https://evil.example.org"},
        {"origin": "http://localhost"},
        {"origin": "https://localhost:1"},
        {"origin": "null"},
        {"origin": ""},
        {"accept": "*/*"},
    ],
    ids=str,
)
def test_a_form_of_another_site_is_refused_even_with_the_right_token(
    made: Rooms, headers: dict[str, str]
) -> None:
    token, person = _session(made)
    answer = _new_account(made, token, person.csrf, **headers)
    assert answer.status == 403 and answer.asked == 0
    assert _names(made) == ["jane"]
    assert (_last(made).outcome, json.loads(_last(made).detail)["code"]) == ("refused", "cross-site")
    fields = {"institution": "alpha", "name": "jane", "password": PASSWORD}
    assert _post(made, "/sign-in", fields, **headers).status == 403, "signing somebody in is refused, too"


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"origin": "https://localhost"}], ids=str
)
def test_a_form_of_ours_is_taken_with_the_sessions_token(made: Rooms, headers: dict[str, str]) -> None:
    token, person = _session(made)
    answer = _new_account(made, token, person.csrf, **headers)
    assert (answer.status, answer.header("location")) == (303, "/accounts?done=created")
    assert _names(made) == ["bob", "jane"]


@pytest.mark.parametrize("csrf", ["", "0" * 64, "another", "\ud800", "x" * 100_000])
def test_a_form_without_the_sessions_token_is_refused(made: Rooms, csrf: str) -> None:
    token, _ = _session(made)
    fields = {
        "name": "bob",
        "password": PASSWORD,
        "role": "auditor",
        "csrf": csrf.encode("utf-8", "replace").decode(),
    }
    answer = _post(made, "/accounts", fields, token)
    assert answer.status in {403, 413} and _names(made) == ["jane"]
    assert _last(made).outcome == "refused"


def test_the_token_of_another_session_is_refused(made: Rooms) -> None:
    first, _ = _session(made)
    _, other = _session(made)
    assert _new_account(made, first, other.csrf).status == 403
    assert _names(made) == ["jane"]


def test_the_token_may_stand_in_a_header(made: Rooms) -> None:
    token, person = _session(made)
    assert (
        _new_account(made, token, "", **{"x-csrf-token": person.csrf, "sec-fetch-site": "same-origin"}).status
        == 303
    )
    assert (
        _new_account(
            made, token, person.csrf, **{"x-csrf-token": "x", "sec-fetch-site": "same-origin"}
        ).status
        == 403
    )


def test_a_session_that_ended_is_refused_and_noted(made: Rooms) -> None:
    token, person = _session(made)
    made.platform.signing_in.end(person)
    answer = call(
        made.web, "GET", "/accounts", headers={"cookie": f"{SESSION_COOKIE}={token}", "accept": "text/html"}
    )
    assert answer.status == 303
    assert answer.header("location") == "/sign-in?problem=session-ended&next=%2Faccounts"
    assert json.loads(_last(made, "").detail)["code"] == "session-ended"
    posted = _new_account(made, token, person.csrf)
    assert posted.status == 401 and posted.asked == 0 and _names(made) == ["jane"]


def test_signing_out_ends_the_session_and_clears_the_browser(made: Rooms) -> None:
    token, person = _session(made)
    answer = _post(made, "/sign-out", {"csrf": person.csrf}, token)
    assert answer.header("location") == "/sign-in?done=signed-out"
    assert "max-age=0" in answer.header("set-cookie").lower() and "storage" in answer.header(
        "clear-site-data"
    )
    assert made.platform.accounts.sessions.find(token) is None


@pytest.mark.parametrize("length", ["70000", "99999999999999999999999", "-1", "1e9", "+5", ""])
def test_a_body_that_says_that_it_is_too_long_is_not_read(made: Rooms, length: str) -> None:
    answer = call(made.web, "POST", "/sign-in", headers={**OURS, "content-length": length}, body=[b"x"])
    assert answer.status == 413 and answer.asked == 0
    assert answer.header("connection") == "close"


def test_a_body_that_does_not_say_its_length_is_read_up_to_the_limit(made: Rooms) -> None:
    pieces = (b"x" * 10_000 for _ in range(1_000_000))
    answer = call(made.web, "POST", "/sign-in", headers=OURS, body=_Endless(pieces))
    assert answer.status == 413 and answer.asked <= 7


class _Endless(list[bytes]):
    """Pieces that are made when they are asked for; never empty."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__([b""])
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return (next(self._pieces) for _ in range(1000))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("text/plain", b"csrf=x"),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=csrf\r\n\r\n"),
        ("application/x-www-form-urlencoded", b"csrf=%ff"),
        ("application/x-www-form-urlencoded", b"\xff"),
        ("", b"csrf=x"),
    ],
)
def test_what_is_no_form_is_refused(made: Rooms, kind: str, body: bytes) -> None:
    token, _ = _session(made)
    headers = {**OURS, "content-type": kind, "cookie": f"{SESSION_COOKIE}={token}"}
    answer = call(made.web, "POST", "/accounts", headers=headers, body=body)
    assert answer.status in {400, 403} and _names(made) == ["jane"]


@pytest.mark.parametrize("path", ["/sign-in", "/accounts", "/health", "/nowhere", "/accounts/x/roles"])
@pytest.mark.parametrize("method", ["GET", "POST", "TRACE"])
def test_every_answer_has_the_headers_that_protect(made: Rooms, path: str, method: str) -> None:
    answer = call(made.web, method, path, headers=OURS)
    policy = answer.header("content-security-policy")
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("referrer-policy") == "no-referrer"
    assert answer.header("strict-transport-security").startswith("max-age=")
    assert answer.header("cache-control") == "no-store"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example.org",
        "/\\evil.example.org",
        "\\\\evil",
        "https://evil.example.org",
        "javascript:alert(1)",
        "/x\r\nSet-Cookie: a=b",
        "/\t/evil",
        "/\0",
        "/ü",
        "",
        "x",
        "/" + "a" * 600,
    ],
    ids=lambda target: ascii(target[:20]),
)
def test_nobody_is_sent_to_another_place_than_ours(made: Rooms, target: str) -> None:
    assert local_path(target) == "/"
    fields = {"institution": "alpha", "name": "jane", "password": PASSWORD, "next": target}
    answer = _post(made, "/sign-in", fields)
    assert (answer.status, answer.header("location")) == (303, "/")
    assert "evil" not in str(answer.headers) and "a=b" not in str(answer.headers)


@pytest.mark.parametrize("field", ["institution", "name", "password", "next"])
@pytest.mark.parametrize(
    "value",
    [
        "'; DROP TABLE accounts; --",
        "<script>alert(1)</script>",
        "a\r\nX-Evil: 1",
        "\0",
        "ｊａｎｅ",
        "%00",
        "../../x",
        "x" * 60_000,
    ],
    ids=lambda value: ascii(value[:12]),
)
def test_nothing_in_any_field_breaks_out(made: Rooms, field: str, value: str) -> None:
    fields = {"institution": "alpha", "name": "jane", "password": PASSWORD, "next": "/"} | {field: value}
    answer = _post(made, "/sign-in", fields)
    if answer.status == 413:  # %-encoding made it longer than a form may be
        return
    assert answer.status == 303 and answer.header("x-evil") == ""
    assert answer.header("location") in {"/", "/sign-in?problem=sign-in-refused&next=%2F"}
    assert "script" not in str(answer.headers).replace("script-src", "")
    assert _names(made) == ["jane"]


def test_who_comes_too_often_without_being_known_is_turned_away(made: Rooms) -> None:
    statuses = [
        call(made.web, "GET", "/accounts", headers={"accept": "application/json"}).status for _ in range(245)
    ]
    assert statuses[:240] == [401] * 240 and set(statuses[240:]) == {429}
    assert len(made.platform.audit.latest("", most=1000, event="access")) == 240
    other = call(made.web, "GET", "/accounts", headers={"accept": "application/json"}, address="198.51.100.9")
    assert other.status == 401


def test_the_addresses_of_a_page_are_not_borrowed_from_the_host_header(made: Rooms) -> None:
    for path in ("/accounts", "/accounts/", "/sign-in/"):
        answer = call(made.web, "GET", path, headers={"host": "evil.example.org", "accept": "text/html"})
        assert "evil" not in answer.header("location")
