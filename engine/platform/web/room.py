"""What every page is made with: the platform, the templates, and what stands around a page's content."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.errors import PenstockError
from engine.pages.rendering import Pages, Place, View
from engine.platform.accounts.person import Person
from engine.platform.errors import AccountError
from engine.platform.lookups import Lookups
from engine.platform.permissions import allowed

if TYPE_CHECKING:
    from engine.platform.parts import Platform

Work = Callable[["Room", Request], Awaitable[Response]]
# Name of the route, label, address; who may use the route sees the link.
PLACES = (
    ("calculator-page", "Calculator", "/calculator"),
    ("studies-page", "Studies", "/studies"),
    ("gateways-page", "Gateways", "/gateways"),
    ("accounts-page", "People", "/accounts"),
    ("audit-page", "Audit trail", "/audit"),
    ("account-page", "Your account", "/account"),
)


def make_pages() -> Pages:
    """The templates of this room and the shared ones."""
    return Pages(Path(__file__).parent / "templates")


class Room:
    """One for each application."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.pages = make_pages()
        self.lookups = Lookups(
            platform.database, platform.library, platform.audit, platform.accounts.attempts
        )

    def view(self, request: Request, here: str = "") -> View:
        """The frame of a page for who is signed in."""
        person = getattr(request.state, "person", None)
        if not isinstance(person, Person):
            return View()
        institution = self.platform.institutions.find(person.tenant)
        title = institution.title or institution.name if institution else person.tenant
        places = tuple(Place(*place) for place in PLACES if allowed(place[0], person.roles))
        return View(title, person.name, person.csrf, places, here)

    def answer(
        self, request: Request, template: str, here: str = "", *, status: int = 200, **values: object
    ) -> Response:
        """A page of this platform."""
        return self.pages.answer(template, self.view(request, here), status=status, headers=None, **values)

    def route(self, path: str, name: str, work: Work, method: str = "GET") -> Route:
        """A named route whose endpoint gets this room."""

        async def endpoint(request: Request) -> Response:
            return await work(self, request)

        return Route(path, endpoint, methods=[method], name=name)

    async def problem(self, request: Request, status: int, problem: PenstockError) -> Response:
        """The gate's refusals as a page. The script puts what has the id `result` into the calculator's page."""
        href, link = ("/sign-in", "Sign in") if status == 401 else ("/", "Start page")
        return self.answer(request, "refused.html", status=status, problem=problem, href=href, link=link)


def person_of(request: Request) -> Person:
    """Who is signed in; the gate lets nobody else to a page that asks."""
    person = request.state.person
    if not isinstance(person, Person):
        raise AccountError("not-signed-in", "this needs a sign-in")
    return person
