"""Who may do what: one row for each named route of both applications, read by the gate before an endpoint runs.

The table is data. A route that has no row is refused at run time, and a test that walks all routes fails. A row
says which roles may use the route inside their own institution; no row ever opens another institution.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import Scope

from engine.pages.forms import MOST_BYTES


class Role(StrEnum):
    """What somebody may be. The first four are given to accounts, inside one institution."""

    ADMINISTRATOR = "administrator"
    CALCULATOR = "calculator"
    RESEARCHER = "researcher"
    AUDITOR = "auditor"
    GATEWAY = "gateway"  # a verified client certificate
    ANYONE = "anyone"  # no sign-in needed


PEOPLE = frozenset({Role.ADMINISTRATOR, Role.CALCULATOR, Role.RESEARCHER, Role.AUDITOR})

_ANYONE = frozenset({Role.ANYONE})
_SIGNED_IN = PEOPLE
_ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
_AUDIT = frozenset({Role.ADMINISTRATOR, Role.AUDITOR})
_CALCULATOR = frozenset({Role.CALCULATOR})
_GATEWAY = frozenset({Role.GATEWAY})
_STUDIES = frozenset({Role.ADMINISTRATOR, Role.CALCULATOR, Role.RESEARCHER})
_OBJECTS = frozenset({Role.GATEWAY, Role.RESEARCHER})  # QIDO-RS and WADO-RS stand on both applications

# Storing and reading objects, and what machines ask.
_MACHINES = {
    "stow": _GATEWAY,
    "stow-study": _GATEWAY,
    "machine-health": _GATEWAY,
    "machine-key": _GATEWAY,
    "machine-studies": _GATEWAY,
    "machine-instances": _GATEWAY,
    "machine-object": _GATEWAY,
    "qido-studies": _OBJECTS,
    "qido-series": _OBJECTS,
    "qido-instances": _OBJECTS,
    "qido-study-series": _OBJECTS,
    "qido-study-instances": _OBJECTS,
    "qido-series-instances": _OBJECTS,
    "wado-study": _OBJECTS,
    "wado-series": _OBJECTS,
    "wado-instance": _OBJECTS,
    "wado-study-metadata": _OBJECTS,
    "wado-series-metadata": _OBJECTS,
    "wado-instance-metadata": _OBJECTS,
}

# Enrolment and the life of gateways.
_GATEWAYS: dict[str, frozenset[Role]] = {
    "enrol-clock": _ANYONE,
    "enrol": _ANYONE,  # it needs a token, which is in the request
    "gateway-status": _GATEWAY,
    "gateway-renew": _GATEWAY,
    "gateway-secrets": _GATEWAY,
    "calculator-announce": _GATEWAY,
    "calculator-redeem": _GATEWAY,
    "calculator-studies": _GATEWAY,
    "calculator-end": _GATEWAY,
}

# Sign-in and the administration of accounts.
_ACCOUNTS = {
    "web-health": _ANYONE,
    "sign-in": _ANYONE,
    "sign-out": _SIGNED_IN,
    "oidc-start": _ANYONE,
    "oidc-callback": _ANYONE,
    "change-password": _SIGNED_IN,
    "account-create": _ADMINISTRATOR,
    "account-roles": _ADMINISTRATOR,
    "account-password": _ADMINISTRATOR,
    "account-disable": _ADMINISTRATOR,
    "account-enable": _ADMINISTRATOR,
    "account-sign-out": _ADMINISTRATOR,
    "audit-export": _AUDIT,
}

# Pages for people.
_PAGES: dict[str, frozenset[Role]] = {
    "static": _ANYONE,
    "sign-in-page": _ANYONE,
    "home": _SIGNED_IN,
    "account-page": _SIGNED_IN,
    "calculator-page": _CALCULATOR,
    "calculator-ask": _CALCULATOR,
    "studies-page": _STUDIES,
    "study-page": _STUDIES,
    "gateways-page": _ADMINISTRATOR,
    "token-create": _ADMINISTRATOR,
    "token-withdraw": _ADMINISTRATOR,
    "gateway-revoke": _ADMINISTRATOR,
    "accounts-page": _ADMINISTRATOR,
    "audit-page": _AUDIT,
    "audit-verify": _AUDIT,
    "audit-table": _AUDIT,
    "gateway-sign-in": _ANYONE,  # says who asks, and sends to the next one
    "gateway-sign-in-page": _CALCULATOR,
    "gateway-sign-in-code": _CALCULATOR,
}


def _merged(*blocks: Mapping[str, frozenset[Role]]) -> Mapping[str, frozenset[Role]]:
    rows: dict[str, frozenset[Role]] = {}
    for block in blocks:
        for name, roles in block.items():
            if name in rows or not roles:
                raise ValueError(f"the route {name} needs exactly one row, with a role in it")
            rows[name] = roles
    return MappingProxyType(rows)


MATRIX: Mapping[str, frozenset[Role]] = _merged(_MACHINES, _GATEWAYS, _ACCOUNTS, _PAGES)

# Routes that a machine calls with a token of its own in the request. Cookies are not looked at there, so a page of
# somebody else's cannot borrow a session, and no CSRF token is needed.
WITHOUT_COOKIES: frozenset[str] = frozenset({"enrol", "enrol-clock"})

# How long a request's body may be, in bytes. None: the endpoint streams it and has limits of its own.
USUAL_BODY = 64 << 10
BODIES: Mapping[str, int | None] = MappingProxyType(
    {
        "stow": None,
        "stow-study": None,
        "calculator-ask": MOST_BYTES,
        "calculator-studies": 2 << 20,
    }
)


def allowed(name: str, roles: Iterable[Role]) -> bool:
    """Whether somebody with these roles may use the route; a route without a row is nobody's."""
    row = MATRIX.get(name, frozenset())
    return Role.ANYONE in row or not row.isdisjoint(roles)


def find_route(routes: Iterable[BaseRoute], scope: Scope) -> str | None:
    """The name of the route that the router will choose for an HTTP request, or None if there is none.

    Follows the router's own order: the first full match, else the first whose path fits but not its method.
    A mounted application that has no routes to look at (static files) counts by the name of its mount.
    """
    partial: str | None = None
    for route in routes:
        match, child = route.matches(scope)
        if match is Match.NONE:
            continue
        if isinstance(route, Mount) and route.routes:
            return find_route(route.routes, {**scope, **child})
        name = getattr(route, "name", None)
        if match is Match.FULL:
            return name or None
        partial = partial or name
    return partial


def named_routes(routes: Iterable[BaseRoute], prefix: str = "") -> list[tuple[str, str, frozenset[str]]]:
    """Every route as (name, path pattern, methods), through all mounts; a static mount has GET and HEAD."""
    found: list[tuple[str, str, frozenset[str]]] = []
    for route in routes:
        if isinstance(route, Mount):
            inner = named_routes(route.routes, prefix + route.path)
            found += inner or [
                (route.name or "", f"{prefix}{route.path}/{{path}}", frozenset({"GET", "HEAD"}))
            ]
        elif isinstance(route, Route):
            found.append((route.name, prefix + route.path, frozenset(route.methods or ())))
        else:
            found.append((getattr(route, "name", ""), prefix + getattr(route, "path", "?"), frozenset()))
    return found
