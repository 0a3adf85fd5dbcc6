"""The rooms of people, as the configuration wants them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.config.web import WebConfig
from engine.platform.accounts.accounts import Accounts
from engine.platform.accounts.oidc_signing_in import OidcSigningIn
from engine.platform.accounts.sessions import Lifetimes
from engine.platform.accounts.signing_in import SigningIn
from engine.platform.audit import Audit
from engine.platform.database import Database


@dataclass(frozen=True)
class People:
    """Accounts, signing in by password, and signing in by OpenID Connect where that is configured."""

    accounts: Accounts
    signing_in: SigningIn
    oidc: OidcSigningIn | None


def open_people(web: WebConfig | None, database: Database, audit: Audit) -> People:
    """Put them together. Raises ConfigError when a file of `[web.oidc]` cannot be used."""
    lifetimes = None if web is None else Lifetimes(web.sessions.idle, web.sessions.absolute)
    accounts = Accounts(database, audit, lifetimes)
    signing_in = SigningIn(database, audit, accounts)
    oidc = None
    if web is not None and web.oidc is not None:
        oidc = OidcSigningIn(web.oidc, database, audit, accounts, signing_in)
    return People(accounts, signing_in, oidc)
