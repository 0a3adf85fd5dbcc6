"""People: accounts and their roles, passwords, sessions, OpenID Connect, and the gate before every endpoint."""

from __future__ import annotations

from engine.platform.accounts.accounts import Accounts
from engine.platform.accounts.person import Account, Person

__all__ = ["Account", "Accounts", "Person"]
