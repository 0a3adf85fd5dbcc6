"""Signing in at an OpenID provider: a state that is good once and for one browser, and an account for who comes back.

Accounts are found by what the provider calls them (issuer and subject), never by their name: else whoever may choose
a name at the provider could take over an account here.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from engine.config.oidc import OidcConfig
from engine.platform.accounts.accounts import Accounts
from engine.platform.accounts.attempts import ADDRESS, SECOND, Limit, network
from engine.platform.accounts.names import canonical_name
from engine.platform.accounts.oidc import Provider
from engine.platform.accounts.person import Account
from engine.platform.accounts.signing_in import SignedIn, SigningIn
from engine.platform.audit import Actor, Audit
from engine.platform.database import Database
from engine.platform.database.people import OIDC_SIGN_INS
from engine.platform.errors import AccountError
from engine.platform.permissions import Role

STATE_SECONDS = 600
_STARTS = Limit("oidc-start", 60, 300, 300, 300)
_LONGEST_CODE = 4096


@dataclass(frozen=True, slots=True)
class Started:
    """Where to send the browser, and the cookie that ties the way back to it."""

    url: str
    browser: str


class OidcSigningIn:
    """Its methods are for the event loop."""

    def __init__(
        self,
        config: OidcConfig,
        database: Database,
        audit: Audit,
        accounts: Accounts,
        signing_in: SigningIn,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.config, self._provider = config, Provider(config)
        self._database, self._audit, self._accounts, self._signing_in = database, audit, accounts, signing_in
        self._clock = clock

    async def start(self, after: str, *, address: str) -> Started:
        """Begin. `after` is the local path to go to in the end. Raises AccountError."""
        await asyncio.to_thread(self._accounts.attempts.take, _STARTS, network(address))
        state, browser, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        url = await self._provider.authorization_url(state, nonce, verifier)
        await asyncio.to_thread(self._remember, state, browser, nonce, verifier, after)
        return Started(url, browser)

    async def finish(
        self, query: Mapping[str, str], browser: str, *, address: str, old_token: str = ""
    ) -> tuple[SignedIn, str]:
        """End: the session, and the path to go to.

        Raises AccountError: "oidc-state" (unknown, used, old, or another browser's), "oidc-denied",
        "oidc-provider", "oidc-token", "oidc-no-grant", "oidc-several-institutions", "sign-in-refused" for a disabled
        account, "too-many-attempts". Each refusal has its row in the audit trail.
        """
        try:
            await asyncio.to_thread(self._accounts.attempts.take, ADDRESS, network(address))
            nonce, verifier, after = await asyncio.to_thread(self._take, query.get("state", ""), browser)
            claims = await self._provider.claims(self._code(query), nonce, verifier)
            begun = await asyncio.to_thread(self._enter, claims, address, old_token)
        except AccountError as problem:
            await asyncio.to_thread(
                self._audit.record,
                "sign-in",
                actor=Actor("anonymous", "", address),
                tenant=None,
                outcome="refused",
                detail={"code": problem.code, "method": "oidc"},
            )
            raise
        await asyncio.to_thread(self._accounts.attempts.give_back, ADDRESS, network(address))
        return begun, after

    def _code(self, query: Mapping[str, str]) -> str:
        if "error" in query:
            raise AccountError("oidc-denied", "the OpenID provider did not let this person in")
        if query.get("iss", self.config.issuer) != self.config.issuer:  # RFC 9207
            raise AccountError("oidc-token", "the answer is of another provider")
        code = query.get("code", "")
        if not code or len(code) > _LONGEST_CODE:
            raise AccountError("oidc-state", "the answer of the provider has no code")
        return code

    def _remember(self, state: str, browser: str, nonce: str, verifier: str, after: str) -> None:
        now = self._clock()
        row = {"state": _hash(state), "browser": _hash(browser), "nonce": nonce, "verifier": verifier}
        with self._database.begin() as connection:
            old = OIDC_SIGN_INS.c.started < now - STATE_SECONDS * SECOND
            connection.execute(delete(OIDC_SIGN_INS).where(old))
            connection.execute(insert(OIDC_SIGN_INS).values(**row, next=after, started=now))

    def _take(self, state: str, browser: str) -> tuple[str, str, str]:
        """Nonce, verifier and path of a state, which is gone afterwards whoever brought it."""
        mine = OIDC_SIGN_INS.c.state == _hash(state)
        with self._database.begin() as connection:
            row = connection.execute(select(OIDC_SIGN_INS).where(mine)).one_or_none()
            taken = connection.execute(delete(OIDC_SIGN_INS).where(mine)).rowcount
        if (
            row is None
            or taken != 1
            or not secrets.compare_digest(row.browser, _hash(browser))
            or row.started < self._clock() - STATE_SECONDS * SECOND
        ):
            raise AccountError(
                "oidc-state",
                "this sign-in is not one that was begun here",
                hint="begin again at the sign-in page",
            )
        return row.nonce, row.verifier, row.next

    def _enter(self, claims: Mapping[str, Any], address: str, old_token: str) -> SignedIn:
        tenant, roles = granted(self.config, claims)
        by = Actor("system", "oidc", address)
        subject = str(claims["sub"])
        account = self._accounts.linked(tenant, self.config.issuer, subject)
        if account is None:
            account = self._make(tenant, claims, subject, roles, by)
        elif account.roles != roles:
            self._accounts.set_roles(tenant, account.account_id, roles, by=by)
        return self._signing_in.begin(account, "oidc", address=address, old_token=old_token)

    def _make(
        self, tenant: str, claims: Mapping[str, Any], subject: str, roles: frozenset[Role], by: Actor
    ) -> Account:
        told = claims.get(self.config.name_claim)
        name = canonical_name(told) if isinstance(told, str) else None
        spare = f"oidc-{hashlib.sha256(f'{self.config.issuer} {subject}'.encode()).hexdigest()[:16]}"
        if name is None or self._accounts.named(tenant, name) is not None:
            name = spare
        try:
            return self._accounts.create_linked(tenant, name, self.config.issuer, subject, roles, by=by)
        except AccountError as problem:
            known = self._accounts.linked(tenant, self.config.issuer, subject)
            if problem.code != "account-exists" or known is None:  # two sign-ins of the same person at once
                raise
            return known


def granted(config: OidcConfig, claims: Mapping[str, Any]) -> tuple[str, frozenset[Role]]:
    """The institution and the roles that somebody's claims mean here.

    Raises AccountError: "oidc-no-grant", "oidc-several-institutions".
    """
    told = claims.get(config.grant_claim)
    values = (
        {told}
        if isinstance(told, str)
        else {one for one in told if isinstance(one, str)}
        if isinstance(told, list)
        else set()
    )
    grants = [grant for grant in config.grants if grant.value in values]
    if not grants:
        raise AccountError(
            "oidc-no-grant", "this account has no role here", hint="ask an administrator of your institution"
        )
    if len({grant.institution for grant in grants}) > 1:
        raise AccountError("oidc-several-institutions", "this account has roles in several institutions")
    return grants[0].institution, frozenset(Role(grant.role) for grant in grants)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
