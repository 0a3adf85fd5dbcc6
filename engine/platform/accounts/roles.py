"""Roles of accounts, as they are typed and as they are kept."""

from __future__ import annotations

from collections.abc import Iterable

from engine.platform.errors import AccountError
from engine.platform.permissions import PEOPLE, Role


def parsed(names: Iterable[str]) -> frozenset[Role]:
    """Roles by their names. Raises AccountError("account-roles") for none, or one that an account cannot have."""
    wanted = set(names)
    roles = frozenset(role for role in PEOPLE if role.value in wanted)
    if not roles or len(roles) != len(wanted):
        raise AccountError(
            "account-roles", "an account has one or more of these roles: " + ", ".join(sorted(PEOPLE))
        )
    return roles


def encoded(roles: Iterable[Role]) -> str:
    """As the database keeps them."""
    return ",".join(sorted(roles))


def decoded(kept: str) -> frozenset[Role]:
    """From the database; what is not a role of an account is nothing."""
    return frozenset(role for role in PEOPLE if role.value in kept.split(","))
