"""The roles of the gateway, in the order in which they are drained: nothing may come in when the next one
empties itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.config import GatewayConfig


@dataclass(frozen=True, slots=True)
class Role:
    """`module` has `run(config) -> int`. `drain_seconds`: how long it may take to end; then it is killed,
    which loses nothing. `sections`: what of the configuration it reads; a reload restarts it when one of
    them has changed."""

    name: str
    module: str
    drain_seconds: float
    sections: tuple[str, ...]
    keeps_secret: bool = False


ROLES: Final = (
    Role("receiver", "engine.receiver.main", 30.0, ("gateway", "spool", "receiver", "log")),
    Role(
        "coordinator",
        "engine.coordinator.main",
        60.0,
        ("gateway", "spool", "passes", "pool", "identity", "profile", "ways", "enrolment", "log"),
        keeps_secret=True,
    ),
    Role("uploader", "engine.uploader.main", 60.0, ("gateway", "spool", "uploader", "destinations", "log")),
    Role(
        "keeper",
        "engine.keeper.main",
        10.0,
        ("gateway", "spool", "enrolment", "identity", "log"),
        keeps_secret=True,
    ),
    Role(
        "calculator",
        "engine.calculator.main",
        10.0,
        ("gateway", "spool", "calculator", "enrolment", "identity", "uploader", "log"),
        keeps_secret=True,
    ),
)


def roles_of(config: GatewayConfig) -> tuple[Role, ...]:
    """Those that this gateway has: without [enrolment] nobody keeps a secret of the platform's, and without [calculator]
    there is no page.
    """
    sections = {"keeper": config.enrolment, "calculator": config.calculator}
    return tuple(one for one in ROLES if one.name not in sections or sections[one.name] is not None)


def role(name: str) -> Role:
    """KeyError for a name that is no role."""
    return {one.name: one for one in ROLES}[name]
