"""What a keeper can be, and what brings it from one to the other.

waiting ──well──▶ ready ──trouble──▶ cut-off ──well──▶ ready
each of these ──▶ fenced or revoked, with the secret wiped
each ──replaced──▶ waiting: this machine was enrolled anew
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class KeeperState(StrEnum):
    WAITING = "waiting"  # no secret yet: the gateway receives and spools, and rewrites nothing
    READY = "ready"
    CUT_OFF = "cut-off"  # the secret is here, but the platform does not answer
    FENCED = "fenced"  # another instance of this gateway was enrolled after this one
    REVOKED = "revoked"  # by an administrator, or the platform does not know this gateway


class Event(StrEnum):
    WELL = "well"  # the platform answered, and the secret is here
    TROUBLE = "trouble"  # it did not answer, or not as it should
    FENCED = "fenced"
    REVOKED = "revoked"
    REPLACED = "replaced"  # the identity on disk is another one


S, E = KeeperState, Event
TABLE: Mapping[tuple[KeeperState, Event], KeeperState] = MappingProxyType(
    {
        (S.WAITING, E.WELL): S.READY,
        (S.WAITING, E.TROUBLE): S.WAITING,
        (S.READY, E.WELL): S.READY,
        (S.READY, E.TROUBLE): S.CUT_OFF,
        (S.CUT_OFF, E.WELL): S.READY,
        (S.CUT_OFF, E.TROUBLE): S.CUT_OFF,
        **{(state, E.FENCED): S.FENCED for state in (S.WAITING, S.READY, S.CUT_OFF)},
        **{(state, E.REVOKED): S.REVOKED for state in (S.WAITING, S.READY, S.CUT_OFF)},
        **{(state, E.REPLACED): S.WAITING for state in S},
    }
)

OUT = frozenset({S.FENCED, S.REVOKED})
"""In these the keeper has no secret and asks the platform nothing."""

REFUSALS: Mapping[str, Event] = MappingProxyType(
    {
        "gateway-fenced": E.FENCED,
        "gateway-revoked": E.REVOKED,
        "gateway-unknown": E.REVOKED,
    }
)
"""The platform's words that are final, by their code."""


def after(state: KeeperState, event: Event) -> KeeperState:
    """The next state. KeyError for what cannot happen in this one."""
    return TABLE[state, event]
