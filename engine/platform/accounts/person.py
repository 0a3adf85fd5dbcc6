"""Who is signed in, as endpoints and pages see it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.platform.audit import Actor
from engine.platform.permissions import Role


@dataclass(frozen=True, slots=True)
class Account:
    """An account as administrators see it. Times are microseconds since 1970; `provider` is the OpenID issuer."""

    account_id: str
    tenant: str
    name: str
    roles: frozenset[Role]
    disabled: bool
    created: int
    last_sign_in: int | None
    provider: str | None

    def describe(self) -> dict[str, object]:
        """The account as a JSON object."""
        return {
            "account_id": self.account_id,
            "institution": self.tenant,
            "name": self.name,
            "roles": sorted(self.roles),
            "disabled": self.disabled,
            "created": self.created,
            "last_sign_in": self.last_sign_in,
            "provider": self.provider,
        }


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in. `tenant` is the only institution whose things may be shown to them.

    `session_id` is no secret (a hash of the token); `csrf` goes into every form of theirs.
    """

    account_id: str
    name: str
    tenant: str
    roles: frozenset[Role]
    session_id: str
    csrf: str
    address: str = ""

    @property
    def actor(self) -> Actor:
        """The person in the words of the audit trail."""
        return Actor("person", self.name, self.address)

    def has(self, *roles: Role) -> bool:
        """Whether one of these roles is theirs."""
        return not self.roles.isdisjoint(roles)
