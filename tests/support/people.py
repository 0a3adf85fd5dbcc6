"""Accounts, sessions and an audit trail on a real database, with a clock that tests move."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from engine.platform.accounts import Account, Accounts
from engine.platform.accounts.passwords import Passwords
from engine.platform.accounts.sessions import Lifetimes
from engine.platform.accounts.signing_in import SignedIn, SigningIn
from engine.platform.audit import SYSTEM, Audit, AuditKey, Entry
from engine.platform.database import Database
from engine.platform.institutions import Institutions

SECOND = 1_000_000
PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.7"
LIFETIMES = Lifetimes(idle=1800, absolute=43_200)


@dataclass
class Clock:
    """Microseconds since 1970, moved by hand."""

    now: int = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


@dataclass
class People:
    """Two institutions, alpha and beta, without accounts."""

    database: Database
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.key = AuditKey(secrets.token_bytes(32))
        self.audit = Audit(self.database, self.key, clock=self.clock)
        self.accounts = Accounts(self.database, self.audit, LIFETIMES, clock=self.clock)
        self.accounts.passwords = Passwords(memory_kib=8, passes=1)  # what costs time is tested by itself
        self.signing_in = SigningIn(self.database, self.audit, self.accounts, clock=self.clock)
        for name in ("alpha", "beta"):
            Institutions(self.database).add(name)

    def make(self, name: str = "jane", *roles: str, tenant: str = "alpha") -> Account:
        """An account with PASSWORD; an administrator if no role is given."""
        return self.accounts.create(tenant, name, PASSWORD, roles or ("administrator",), by=SYSTEM)

    def sign_in(
        self, name: str = "jane", password: str = PASSWORD, *, tenant: str = "alpha", address: str = ADDRESS
    ) -> SignedIn:
        """Sign in by a password."""
        return self.signing_in.by_password(tenant, name, password, address=address)

    def rows(self, chain: str = "alpha", event: str | None = None) -> list[Entry]:
        """The audit trail of an institution."""
        return [row for row in self.audit.rows(chain) if event in {None, row.event}]
