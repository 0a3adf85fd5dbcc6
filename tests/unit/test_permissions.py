"""Every route of both applications × everybody who may come × every method: the matrix decides, nothing else."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from engine.platform.accounts.gate import Gate
from engine.platform.accounts.headers import SESSION_COOKIE
from engine.platform.audit import SYSTEM
from engine.platform.permissions import (
    BODIES,
    MATRIX,
    PEOPLE,
    WITHOUT_COOKIES,
    Role,
    find_route,
    named_routes,
)
from engine.platform.tls import Peer
from tests.support.asgi import Answer, call
from tests.support.platform_rooms import Rooms, rooms

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PASSWORD = "correct horse battery"
# Whom everybody may reach. Each is here because somebody thought about it: this list is typed, not computed.
OPEN = {
    "web-health",
    "sign-in",
    "sign-in-page",
    "gateway-sign-in",
    "oidc-start",
    "oidc-callback",
    "enrol",
    "enrol-clock",
    "static",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    with rooms(tmp_path_factory.mktemp("platform")) as made:
        made.platform.institutions.add("alpha")
        yield made


class Recorder:
    """Stands where the endpoints are; remembers that a request got through."""

    reached = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached = True
        await Response(status_code=204)(scope, receive, send)


def _guarded(app: Starlette, recorder: Recorder) -> Gate:
    """The application's own gate, with the recorder behind it."""
    return Gate(recorder, **_options(app))


def _options(app: Starlette) -> dict[str, Any]:
    """What the application made its gate with."""
    (gate,) = [one for one in app.user_middleware if str(one.cls) == str(Gate)]
    return dict(gate.kwargs)


def _path(pattern: str) -> str:
    return re.sub(r"\{[^}]*\}", "0" * 32, pattern)


def _row(app: Starlette, method: str, path: str) -> frozenset[Role]:
    """Who may make this request: the row of the route that the router runs; anybody where it runs none (404, 405)."""
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    ran = _Names(app).run(method, path)
    if ran is not None:
        assert find_route(app.routes, scope) == ran, (
            f"{method} {path}: the gate looks at another row than it must"
        )
        return MATRIX[ran]
    chosen = find_route(app.routes, scope)
    return MATRIX[chosen] if chosen else frozenset({Role.ANYONE})


class _Names:
    """Runs the application's own router with each endpoint replaced by one that says the route's name."""

    def __init__(self, app: Starlette) -> None:
        self._ran: list[str] = []
        self._router = Router([self._told(route) for route in app.routes], redirect_slashes=False)

    def _told(self, route: BaseRoute) -> BaseRoute:
        if isinstance(route, Mount) and route.routes:
            return Mount(route.path, routes=[self._told(inner) for inner in route.routes])
        assert isinstance(route, Route | Mount)
        name = str(route.name)

        async def endpoint(_request: object) -> Response:
            self._ran.append(name)
            return Response()

        if isinstance(route, Mount):
            return Route(route.path + "/{path:path}", endpoint, name=name)
        return Route(route.path, endpoint, methods=sorted(route.methods or ()), name=name)

    def run(self, method: str, path: str) -> str | None:
        """The name of the route that ran, None if none did."""
        call(self._router, method, path)
        return self._ran.pop() if self._ran else None


def _sessions(made: Rooms) -> dict[str, tuple[frozenset[Role], dict[str, str]]]:
    """For each kind of person their roles and the headers that their browser sends."""
    found: dict[str, tuple[frozenset[Role], dict[str, str]]] = {"nobody": (frozenset(), {})}
    accounts = made.platform.accounts
    for role in sorted(PEOPLE):
        accounts.create("alpha", f"the-{role}", PASSWORD, [role], by=SYSTEM)
        begun = made.platform.signing_in.by_password("alpha", f"the-{role}", PASSWORD, address="192.0.2.1")
        person = accounts.sessions.find(begun.token)
        assert person is not None
        headers = {"cookie": f"{SESSION_COOKIE}={begun.token}", "x-csrf-token": person.csrf}
        found[role] = (frozenset({role}), headers)
    return found


def _refusals(made: Rooms) -> int:
    return sum(
        len(made.platform.audit.latest(chain, most=100_000, event="access")) for chain in ("", "alpha")
    )


def test_every_route_has_a_name_and_a_row(made: Rooms) -> None:
    for app in (made.machines, made.web):
        for name, path, _ in named_routes(app.routes):
            assert name in MATRIX, f"{path} ({name}) needs a row in engine/platform/permissions.py"


def test_every_row_is_of_a_route_that_exists(made: Rooms) -> None:
    known = {name for app in (made.machines, made.web) for name, _, _ in named_routes(app.routes)}
    assert set(MATRIX) <= known
    assert set(BODIES) <= known and set(WITHOUT_COOKIES) <= known


def test_one_name_is_one_thing(made: Rooms) -> None:
    for app in (made.machines, made.web):
        places: dict[str, set[str]] = {}
        for name, path, _ in named_routes(app.routes):
            places.setdefault(name, set()).add(path.removeprefix("/dicom-web"))
        assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_what_is_open_to_everybody_was_meant_to_be() -> None:
    assert {name for name, roles in MATRIX.items() if Role.ANYONE in roles} <= OPEN


def test_no_person_reaches_what_is_for_gateways(made: Rooms) -> None:
    web = {name for name, _, _ in named_routes(made.web.routes)}
    assert not [name for name in web if MATRIX[name] == {Role.GATEWAY}]


def test_the_matrix_cannot_be_changed_while_it_is_used() -> None:
    with pytest.raises(TypeError):
        MATRIX["sign-out"] = frozenset({Role.ANYONE})  # type: ignore[index]


def test_people_get_through_where_their_role_has_a_row_and_nowhere_else(made: Rooms) -> None:
    addresses = (f"203.0.113.{n % 256}" for n in itertools.count())
    sessions = _sessions(made)
    wrong, refused, before = [], 0, _refusals(made)
    for name, pattern, _ in named_routes(made.web.routes):
        for (who, (roles, headers)), method in itertools.product(sessions.items(), METHODS):
            recorder = Recorder()
            given = headers | {"sec-fetch-site": "same-origin", "accept": "application/json"}
            gate = _guarded(made.web, recorder)
            answer = call(gate, method, _path(pattern), headers=given, address=next(addresses))
            row = _row(made.web, method, _path(pattern))
            expected = Role.ANYONE in row or bool(roles & row)
            refused += not recorder.reached
            if recorder.reached != expected or not _is_right(answer, expected, who):
                wrong.append((who, method, name, answer.status, answer.asked))
    assert wrong == []
    assert refused > 100 and _refusals(made) - before == refused, "each refusal has its row"


def _is_right(answer: Answer, expected: bool, who: str) -> bool:
    if expected:
        return answer.status == 204
    return answer.asked == 0 and answer.status == (401 if who == "nobody" else 403)


def test_machines_get_through_with_a_certificate_and_nobody_does_without(made: Rooms) -> None:
    gateway = Peer("alpha", "gateway", "0" * 64)
    cookie = _some_session(made)
    addresses = (f"198.51.100.{n % 256}" for n in itertools.count())
    wrong = []
    for name, pattern, _ in named_routes(made.machines.routes):
        for (peer, headers), method in itertools.product(
            [(gateway, {}), (None, {}), (None, cookie)], METHODS
        ):
            recorder = Recorder()
            gate = _guarded(made.machines, recorder)
            answer = call(gate, method, _path(pattern), peer=peer, headers=headers, address=next(addresses))
            row = _row(made.machines, method, _path(pattern))
            expected = Role.ANYONE in row or (peer is not None and Role.GATEWAY in row)
            if recorder.reached != expected or (not expected and (answer.status != 403 or answer.asked)):
                wrong.append((peer, method, name, answer.status))
    assert wrong == []


def _some_session(made: Rooms) -> dict[str, str]:
    made.platform.accounts.create("alpha", "all", PASSWORD, [*PEOPLE], by=SYSTEM)
    begun = made.platform.signing_in.by_password("alpha", "all", PASSWORD, address="192.0.2.1")
    return {"cookie": f"{SESSION_COOKIE}={begun.token}"}


def test_a_route_without_a_row_is_refused_before_its_endpoint_runs(made: Rooms) -> None:
    ran = []

    async def endpoint(_request: object) -> Response:
        ran.append(1)
        return Response("secret")

    routes: list[BaseRoute] = [
        Route("/new", endpoint, methods=["GET", "POST"], name="not-in-the-matrix"),
        Route("/new", endpoint, methods=["GET", "POST"]),
        Mount("/", routes=[Route("/new", endpoint, methods=["GET", "POST"], name="not-in-the-matrix")]),
    ]
    for route in routes:
        app = Starlette(routes=[route])
        for headers, method in itertools.product(({}, _some_session_of(made)), ("GET", "POST")):
            answer = call(
                Gate(app, **{**_options(made.web), "routes": [route]}),
                method,
                "/new",
                headers=headers | {"accept": "application/json"},
            )
            assert answer.status in {401, 403} and b"secret" not in answer.body
    assert ran == []


def _some_session_of(made: Rooms) -> dict[str, str]:
    begun = made.platform.signing_in.by_password("alpha", "all", PASSWORD, address="192.0.2.1")
    return {"cookie": f"{SESSION_COOKIE}={begun.token}"}


def test_a_web_socket_is_closed(made: Rooms) -> None:
    import asyncio

    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        raise AssertionError("nothing is to be read")

    asyncio.run(_guarded(made.web, Recorder())({"type": "websocket", "path": "/sign-in"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    "path", ["/accounts/", "//accounts", "/Accounts", "/accounts/../accounts", "/accounts%2f", "/%61ccounts/"]
)
def test_another_spelling_of_a_path_is_not_a_way_around(made: Rooms, path: str) -> None:
    answer = call(made.web, "POST", path, headers={"sec-fetch-site": "same-origin"})
    assert answer.status in {401, 403, 404}
    assert answer.header("location") == ""


def test_a_route_is_found_as_the_router_finds_it() -> None:
    async def endpoint(_request: object) -> Response:
        return Response()

    routes = [
        Route("/a/{x}", endpoint, methods=["POST"], name="post"),
        Route("/a/{x}", endpoint, methods=["GET"], name="get"),
        Mount("/m", routes=[Route("/a", endpoint, name="inner")]),
        Mount("/files", app=Response(), name="files"),
    ]

    def found(method: str, path: str) -> str | None:
        return find_route(
            routes, {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
        )

    assert found("GET", "/a/1") == "get" and found("POST", "/a/1") == "post"
    assert found("DELETE", "/a/1") == "post"  # the router would answer 405 for the first that fits
    assert found("GET", "/m/a") == "inner" and found("GET", "/m/b") is None
    assert found("GET", "/files/x.css") == "files" and found("GET", "/b") is None
