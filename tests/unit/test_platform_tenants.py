"""Institutions are strictly apart: whoever is of beta, with every role there is, walks every route with alpha's own ids.

Nothing of alpha may show, nothing of alpha may change; a route with a parameter that this test does not know fails it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select
from starlette.applications import Starlette

from engine.platform.accounts.headers import SESSION_COOKIE
from engine.platform.audit import SYSTEM
from engine.platform.database.schema import METADATA
from engine.platform.permissions import PEOPLE, named_routes
from engine.platform.tls import Peer
from tests.support.asgi import Answer, call
from tests.support.platform_process import content_type, multipart, pseudonymized
from tests.support.platform_rooms import Rooms, rooms

PASSWORD = "correct horse battery"
HASHED = "0123456789abcdef" * 2
STUDY, SERIES = "2.25.4242", "2.25.4242.1"
INSTANCE = f"2.25.{10**20 + 7}"
# What may be seen of alpha nowhere in beta's answers.
MARKS = (HASHED, "alice-of-alpha", "Alpha House", "gateway-of-alpha")
# Tables that have a row for whoever asks, or that grow by asking.
OF_NOBODY = {"attempts", "alembic_version", "oidc_sign_ins"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    with rooms(tmp_path_factory.mktemp("platform")) as made:
        platform = made.platform
        platform.institutions.add("alpha", "Alpha House")
        platform.institutions.add("beta", "Beta House")
        for name in ("alpha", "beta"):
            platform.vault.create(name)
        platform.accounts.create("alpha", "alice-of-alpha", PASSWORD, [*PEOPLE], by=SYSTEM)
        platform.accounts.create("beta", "eve", PASSWORD, [*PEOPLE], by=SYSTEM)
        platform.gateways.new_token("alpha", SYSTEM, gateway="gateway-of-alpha")
        body = multipart([pseudonymized(7, STUDY, hashed_id=HASHED)])
        stored = call(
            made.machines,
            "POST",
            "/studies",
            headers={"content-type": content_type()},
            body=body,
            peer=_peer("alpha"),
        )
        assert stored.status == 200, stored.body
        yield made


def _peer(tenant: str) -> Peer:
    return Peer(tenant, "gateway", "0" * 64)


def _ids(made: Rooms) -> dict[str, str]:
    """Alpha's own ids for every parameter that a route has."""
    (account,) = made.platform.accounts.all("alpha")
    (token,) = made.platform.gateways.tokens("alpha")
    return {
        "account": account.account_id,
        "study": STUDY,
        "series": SERIES,
        "instance": INSTANCE,
        "token": token.token_id,
        "gateway": "gateway-of-alpha",
        "name": "no-such-file.css",
    }


def _places(made: Rooms, app: Starlette) -> list[tuple[str, str, list[str]]]:
    known = _ids(made)
    found = []
    for name, pattern, methods in named_routes(app.routes):
        wanted = re.findall(r"\{(\w+)(?::\w+)?\}", pattern)
        assert set(wanted) <= set(known), f"{pattern}: say in this test what {wanted} is"
        path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda match: known[match[1]], pattern)
        found.append((name, path, sorted(methods - {"HEAD"})))
    return found


def _state_of(made: Rooms, tenant: str) -> dict[str, list[str]]:
    """Every row of an institution in every table; sessions by the account that they are of."""
    accounts = {one.account_id for one in made.platform.accounts.all(tenant)}
    found: dict[str, list[str]] = {}
    with made.platform.database.read() as connection:
        for table in METADATA.sorted_tables:
            if table.name in OF_NOBODY:
                continue
            rows = connection.execute(select(table)).mappings().all()
            own = [row for row in rows if tenant in row.values() or row.get("account_id") in accounts]
            found[table.name] = sorted(str(dict(row)) for row in own)
    return found


def _walk(made: Rooms, app: Starlette, tenant: str) -> dict[str, Answer]:
    answers = {}
    for name, path, methods in _places(made, app):
        for method in methods:
            if name in {"sign-out", "change-password"}:
                continue  # they are about oneself and end the walk's session
            answers[f"{method} {name}"] = _ask(made, app, tenant, method, path)
    return answers


def _ask(made: Rooms, app: Starlette, tenant: str, method: str, path: str) -> Answer:
    if app is made.machines:
        return call(app, method, f"{path}?PatientID={HASHED}&hashed_id={HASHED}", peer=_peer(tenant))
    name = {"alpha": "alice-of-alpha", "beta": "eve"}[tenant]
    begun = made.platform.signing_in.by_password(tenant, name, PASSWORD, address="192.0.2.1")
    person = made.platform.accounts.sessions.find(begun.token)
    assert person is not None
    headers = {
        "cookie": f"{SESSION_COOKIE}={begun.token}",
        "x-csrf-token": person.csrf,
        "sec-fetch-site": "same-origin",
        "content-type": "application/x-www-form-urlencoded",
    }
    form = f"role=auditor&password=another+long+phrase&name=new&csrf={person.csrf}&patient=4711&ids=4711"
    query = (
        f"?PatientID={HASHED}&hashed_id={HASHED}&institution=alpha&tenant=alpha" if method == "GET" else ""
    )
    return call(app, method, path + query, headers=headers, body=form.encode() if method == "POST" else b"")


@pytest.mark.parametrize("which", ["web", "machines"])
def test_nothing_of_one_institution_shows_or_changes_for_another(made: Rooms, which: str) -> None:
    app: Starlette = getattr(made, which)
    before = _state_of(made, "alpha")
    assert all(
        before[table] for table in ("accounts", "studies", "objects", "gateway_tokens", "vault_secrets")
    )
    for request, answer in _walk(made, app, "beta").items():
        shown = answer.body.decode("utf-8", "replace")
        told = [mark for mark in MARKS if mark in shown and f"?PatientID={mark}" not in shown]
        assert not [mark for mark in told if not _is_echo(shown, mark)], (
            f"{request} shows {told}: {shown[:500]}"
        )
        assert answer.status != 500, f"{request}: {shown[:300]}"
    assert _state_of(made, "alpha") == before


def _is_echo(shown: str, mark: str) -> bool:
    """A page may show the search that was typed, in the field that it was typed in."""
    return mark == HASHED and len(re.findall(re.escape(mark), shown)) == len(
        re.findall(rf'value="{mark}"', shown)
    )


def test_the_walk_would_find_what_shows(made: Rooms) -> None:
    """Alpha's own people do see it, by the same walk: the marks are real."""
    shown = b"".join(
        _ask(made, made.web, "alpha", "GET", path).body for path in ("/accounts", "/studies", "/gateways")
    )
    listed = call(made.machines, "GET", "/penstock/v1/studies", peer=_peer("alpha")).body
    assert b"alice-of-alpha" in shown and b"Alpha House" in shown and HASHED.encode() in listed


def test_each_request_for_what_is_anothers_is_answered_like_one_for_what_is_not_there(made: Rooms) -> None:
    ids = _ids(made)
    for path, nowhere in (
        (f"/accounts/{ids['account']}/disable", f"/accounts/{'0' * 32}/disable"),
        (f"/gateways/tokens/{ids['token']}/withdraw", "/gateways/tokens/00000000/withdraw"),
        (f"/gateways/{ids['gateway']}/revoke", "/gateways/nobody/revoke"),
    ):
        theirs = _ask(made, made.web, "beta", "POST", path)
        nothing = _ask(made, made.web, "beta", "POST", nowhere)
        assert (theirs.status, theirs.header("location")) == (nothing.status, nothing.header("location"))
    for path, nowhere in ((f"/dicom-web/studies/{STUDY}", "/dicom-web/studies/2.25.1"),):
        theirs, nothing = (_ask(made, made.web, "beta", "GET", place) for place in (path, nowhere))
        assert (theirs.status, theirs.body) == (nothing.status, nothing.body)
        assert theirs.status == 404
