"""All pages of the application for people."""

from __future__ import annotations

from starlette.routing import BaseRoute

from engine.platform.web import audit, calculator, gateway_sign_in, gateways, people, sign_in, studies
from engine.platform.web.room import Room

_ROOMS = (sign_in, calculator, studies, gateways, people, audit, gateway_sign_in)


def routes(room: Room) -> list[BaseRoute]:
    """The routes; each has its row in the table of permissions."""
    return [route for part in _ROOMS for route in part.routes(room)]
