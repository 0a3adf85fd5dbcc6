"""Signing in at an OpenID provider: a real one, and one that lies in every way it can."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from engine.errors import ConfigError
from engine.platform.accounts.headers import OIDC_COOKIE, SESSION_COOKIE
from engine.platform.accounts.oidc import read_secret
from engine.platform.audit import SYSTEM
from engine.platform.permissions import Role
from tests.support.asgi import Answer, call
from tests.support.oidc import LyingProvider, consent, real_provider
from tests.support.platform_process import Pki
from tests.support.platform_rooms import Rooms, rooms

Claims = dict[str, Any]


def _settings(issuer: str, ca: Path | None = None) -> str:
    grants = {
        "radiology-admins": ("alpha", "administrator"),
        "radiology": ("alpha", "calculator"),
        "lab": ("beta", "researcher"),
    }
    lines = [
        "[web.oidc]",
        f'issuer = "{issuer}"',
        'client_id = "penstock"\nclient_secret_file = "oidc-secret"\nurl = "https://platform.example.org"',
        f'ca = "{ca}"' if ca else "",
    ]
    for value, (institution, role) in grants.items():
        lines.append(f'[[web.oidc.grant]]\nvalue = "{value}"\ninstitution = "{institution}"\nrole = "{role}"')
    return "\n".join(lines) + "\n"


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "provider")


@pytest.fixture
def lying(pki: Pki) -> Iterator[LyingProvider]:
    provider = LyingProvider(pki.server)
    yield provider
    provider.close()


@pytest.fixture
def made(tmp_path: Path, pki: Pki, lying: LyingProvider) -> Iterator[Rooms]:
    with rooms(tmp_path, oidc=_settings(lying.issuer, pki.ca)) as made:
        made.platform.institutions.add("alpha")
        made.platform.institutions.add("beta")
        yield made


def _cookie(answer: Answer, name: str) -> str:
    found = [line for line in answer.header("set-cookie").split("\n") if line.startswith(f"{name}=")]
    return found[0].split(";")[0].partition("=")[2].strip('"') if found else ""


def _start(made: Rooms, after: str = "/studies") -> tuple[str, str]:
    """Where the browser is sent, and the cookie that it keeps."""
    answer = call(made.web, "GET", f"/oidc/start?next={after}")
    assert answer.status == 303, answer.body
    assert "samesite=lax" in answer.header("set-cookie").lower()
    return answer.header("location"), _cookie(answer, OIDC_COOKIE)


def _back(made: Rooms, query: str, browser: str) -> Answer:
    return call(made.web, "GET", f"/oidc/callback?{query}", headers={"cookie": f"{OIDC_COOKIE}={browser}"})


def _person(made: Rooms, answer: Answer) -> Any:
    return made.platform.accounts.sessions.find(_cookie(answer, SESSION_COOKIE))


def _refused(made: Rooms, answer: Answer, code: str) -> None:
    assert answer.status == 303 and answer.header("location") == f"/sign-in?problem={code}"
    assert _cookie(answer, SESSION_COOKIE) == ""
    row = made.platform.audit.latest("", most=1, event="sign-in")[0]
    assert (row.outcome, json.loads(row.detail)["code"]) == ("refused", code)
    assert made.platform.accounts.all("alpha") == []


def _sign_in(made: Rooms, lying: LyingProvider) -> Answer:
    url, browser = _start(made)
    return _back(made, lying.code(url), browser)


def test_a_person_signs_in_at_a_real_provider_and_has_the_roles_of_the_claims(tmp_path: Path) -> None:
    jane: dict[str, object] = {"sub": "4711", "preferred_username": "Jane", "groups": ["radiology", "choir"]}
    nobody: dict[str, object] = {"sub": "4712", "preferred_username": "eve", "groups": ["choir"]}
    with real_provider(jane, nobody) as issuer, rooms(tmp_path, oidc=_settings(issuer)) as made:
        made.platform.institutions.add("alpha")
        url, browser = _start(made)
        answer = _back(made, consent(url, "4711"), browser)
        assert answer.status == 200 and b'content="0;url=/studies"' in answer.body
        assert "samesite=strict" in answer.header("set-cookie").lower()
        person = _person(made, answer)
        assert (person.name, person.tenant, person.roles) == ("jane", "alpha", {Role.CALCULATOR})

        url, browser = _start(made)
        assert "problem=oidc-no-grant" in _back(made, consent(url, "4712"), browser).header("location")
        url, browser = _start(made)
        query = consent(url, "4711", action="deny")
        assert "error" in query
        state = parse_qs(urlsplit(url).query)["state"][0]
        denied = _back(made, f"{query}&state={state}" if "state=" not in query else query, browser)
        assert "problem=oidc-denied" in denied.header("location")
        assert [one.name for one in made.platform.accounts.all("alpha")] == ["jane"]


def test_the_request_has_what_the_standard_wants(made: Rooms, lying: LyingProvider) -> None:
    url, _ = _start(made)
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
    assert query["redirect_uri"] == "https://platform.example.org/oidc/callback"
    assert query["scope"] == "openid profile" and len(query["state"]) == len(query["nonce"]) == 43
    again, _ = _start(made)
    assert parse_qs(urlsplit(again).query)["state"] != [query["state"]]
    answer = _sign_in(made, lying)
    assert answer.status == 200
    path, form, authorization = lying.asked[-2] if lying.asked[-1][0] == "/keys" else lying.asked[-1]
    assert (
        path == "/token"
        and base64.b64decode(authorization.removeprefix("Basic ")) == b"penstock:of+the+client"
    )
    assert len(form["code_verifier"][0]) == 43 and "client_secret" not in form


def _changed(**changes: object) -> Callable[[Claims], Claims]:
    def change(claims: Claims) -> Claims:
        merged = {**claims, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    return change


LIES: dict[str, Callable[[Claims], Claims]] = {
    "another issuer": _changed(iss="https://evil.example.org"),
    "no issuer": _changed(iss=None),
    "another audience": _changed(aud="another-client"),
    "no audience": _changed(aud=None),
    "several audiences and no party": _changed(aud=["penstock", "another-client"]),
    "another party": _changed(azp="another-client"),
    "expired": _changed(exp=1_000_000_000),
    "no end": _changed(exp=None),
    "an end that is text": _changed(exp="tomorrow"),
    "issued in the future": _changed(iat=99_999_999_999),
    "issued long ago": _changed(iat=1_000_000_000),
    "no time": _changed(iat=None),
    "another nonce": _changed(nonce="another"),
    "no nonce": _changed(nonce=None),
    "nobody": _changed(sub=None),
    "an empty subject": _changed(sub=""),
    "a long subject": _changed(sub="x" * 256),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_id_token_that_lies_is_refused_and_noted(made: Rooms, lying: LyingProvider, lie: str) -> None:
    lying.claims = LIES[lie]
    _refused(made, _sign_in(made, lying), "oidc-token")


def _unsigned(claims: Claims) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part(claims)}."


def _symmetric(key: bytes) -> Callable[[Claims], str]:
    return lambda claims: jwt.encode(
        {"alg": "HS256", "kid": "one"}, claims, OctKey.import_key(key), algorithms=["HS256"]
    )


def _tampered(lying: LyingProvider) -> Callable[[Claims], str]:
    def sign(claims: Claims) -> str:
        head, _, signature = lying.signed(claims).split(".")
        other = lying.signed({**claims, "groups": ["radiology-admins", "radiology"]}).split(".")[1]
        return f"{head}.{other}.{signature}"

    return sign


@pytest.mark.parametrize(
    "forgery",
    [
        "unsigned",
        "the client's secret",
        "the public key",
        "another key",
        "tampered",
        "no token",
        "no JWT",
        "JWE",
    ],
)
def test_an_id_token_without_the_providers_signature_is_refused(
    made: Rooms, lying: LyingProvider, forgery: str
) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "one"})
    signers: dict[str, Callable[[Claims], str | None]] = {
        "unsigned": _unsigned,
        "the client's secret": _symmetric(b"of the client" * 4),
        "the public key": _symmetric(base64.b64encode(lying.key.as_pem(private=False)) * 2),
        "another key": lambda claims: jwt.encode({"alg": "RS256", "kid": "one"}, claims, stranger),
        "tampered": _tampered(lying),
        "no token": lambda _claims: None,
        "no JWT": lambda _claims: "not a token",
        "JWE": lambda _claims: "a.b.c.d.e",
    }
    lying.sign = signers[forgery]
    _refused(made, _sign_in(made, lying), "oidc-token")


def test_a_key_that_the_provider_changed_is_fetched_anew(made: Rooms, lying: LyingProvider) -> None:
    assert _sign_in(made, lying).status == 200
    lying.key = RSAKey.generate_key(2048, {"kid": "two"})
    lying.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "two"}, claims, lying.key)
    assert _sign_in(made, lying).status == 200


@pytest.mark.parametrize(
    "what", ["replayed", "another browser", "no cookie", "unknown", "empty", "no code", "old"]
)
def test_a_state_is_good_once_for_one_browser_and_ten_minutes(
    made: Rooms, lying: LyingProvider, what: str
) -> None:
    url, browser = _start(made)
    query = lying.code(url)
    if what == "replayed":
        lying.claims = _changed(groups=["choir"])  # so that the first one leaves no account either
        assert "oidc-no-grant" in _back(made, query, browser).header("location")
        lying.claims = lambda claims: claims
    elif what == "another browser":
        _, browser = _start(made)
    elif what == "no cookie":
        browser = ""
    elif what == "unknown":
        query = query.replace("state=", "state=x")
    elif what == "empty":
        query = ""
    elif what == "no code":
        query = "state=" + parse_qs(query)["state"][0]
    elif what == "old":
        assert made.platform.oidc is not None
        clock = made.platform.oidc._clock
        made.platform.oidc._clock = lambda: clock() + 601 * 1_000_000
    tokens = sum(path == "/token" for path, _, _ in lying.asked)
    _refused(made, _back(made, query, browser), "oidc-state")
    assert sum(path == "/token" for path, _, _ in lying.asked) == tokens, "the provider is not even asked"


def test_a_code_that_was_used_is_refused_by_the_provider_and_so_by_us(
    made: Rooms, lying: LyingProvider
) -> None:
    url, browser = _start(made)
    query = lying.code(url)
    lying._codes.clear()
    _refused(made, _back(made, query, browser), "oidc-provider")


@pytest.mark.parametrize(
    "discovery",
    [
        {"issuer": "https://evil.example.org"},
        {"token_endpoint": "http://evil.example.org/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_a_provider_that_describes_itself_wrongly_is_not_gone_to(
    made: Rooms, lying: LyingProvider, discovery: Claims
) -> None:
    lying.discovery = discovery
    answer = call(made.web, "GET", "/oidc/start")
    assert answer.header("location").startswith("/sign-in?problem=oidc-provider")


def test_a_provider_that_is_down_or_not_the_one_we_trust_is_said(
    made: Rooms, lying: LyingProvider, tmp_path: Path
) -> None:
    lying.status = 503
    assert "oidc-provider" in call(made.web, "GET", "/oidc/start").header("location")
    (tmp_path / "second").mkdir()
    other_ca = Pki(tmp_path / "stranger").ca
    lying.status, before = 200, len(lying.asked)
    with rooms(tmp_path / "second", oidc=_settings(lying.issuer, other_ca)) as second:
        assert "oidc-provider" in call(second.web, "GET", "/oidc/start").header("location")
    assert len(lying.asked) == before


def test_an_account_is_never_taken_over_by_its_name(made: Rooms, lying: LyingProvider) -> None:
    local = made.platform.accounts.create("alpha", "jane", "correct horse battery", ["auditor"], by=SYSTEM)
    person = _person(made, _sign_in(made, lying))
    assert person.account_id != local.account_id and person.name.startswith("oidc-")
    assert _person(made, _sign_in(made, lying)).account_id == person.account_id


@pytest.mark.parametrize("name", ["jаne", "jane\r\nx", "a" * 10_000, "<b>", 5, None, ["jane"]])
def test_a_name_that_cannot_be_one_gets_another(made: Rooms, lying: LyingProvider, name: object) -> None:
    lying.claims = _changed(preferred_username=name)
    assert _person(made, _sign_in(made, lying)).name.startswith("oidc-")


@pytest.mark.parametrize(
    ("groups", "code"),
    [
        ([], "oidc-no-grant"),
        (None, "oidc-no-grant"),
        (5, "oidc-no-grant"),
        ([["radiology"], {"radiology": 1}], "oidc-no-grant"),
        ("Radiology", "oidc-no-grant"),
        (["radiology", "lab"], "oidc-several-institutions"),
    ],
)
def test_claims_that_give_nothing_here_let_nobody_in(
    made: Rooms, lying: LyingProvider, groups: object, code: str
) -> None:
    lying.claims = _changed(groups=groups)
    _refused(made, _sign_in(made, lying), code)


def test_roles_follow_the_claims_at_each_sign_in_and_old_sessions_end(
    made: Rooms, lying: LyingProvider
) -> None:
    first = _sign_in(made, lying)
    assert _person(made, first).roles == {Role.ADMINISTRATOR}
    made.platform.accounts.create("alpha", "bob", "correct horse battery", ["administrator"], by=SYSTEM)
    lying.claims = _changed(groups="radiology")
    second = _sign_in(made, lying)
    assert _person(made, second).roles == {Role.CALCULATOR}
    assert _person(made, first) is None


def test_a_disabled_account_does_not_come_back_by_its_provider(made: Rooms, lying: LyingProvider) -> None:
    person = _person(made, _sign_in(made, lying))
    made.platform.accounts.create("alpha", "bob", "correct horse battery", ["administrator"], by=SYSTEM)
    made.platform.accounts.disable("alpha", person.account_id, by=SYSTEM)
    answer = _sign_in(made, lying)
    assert answer.header("location") == "/sign-in?problem=sign-in-refused"
    assert _cookie(answer, SESSION_COOKIE) == ""


@pytest.mark.parametrize(
    "after",
    ["//evil.example.org", "https://evil.example.org", "/\\evil", "/a%0d%0aSet-Cookie:x", "javascript:1"],
)
def test_nobody_is_sent_elsewhere_in_the_end(made: Rooms, lying: LyingProvider, after: str) -> None:
    url, browser = _start(made, after)
    answer = _back(made, lying.code(url), browser)
    assert b'content="0;url=/"' in answer.body and b"evil" not in answer.body


def test_without_configuration_there_is_no_such_place(tmp_path: Path) -> None:
    with rooms(tmp_path, oidc="") as made:
        assert call(made.web, "GET", "/oidc/start").status == 404


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("secret\n")
    for mode in (0o644, 0o640):
        path.chmod(mode)
        with pytest.raises(ConfigError, match="read by others"):
            read_secret(path)
    path.chmod(0o600)
    assert read_secret(path) == "secret"
    path.write_text("\n")
    with pytest.raises(ConfigError):
        read_secret(path)
