"""Signing in by a password, and the session that comes of it.

A name that nobody has, a wrong password, a disabled account and one without a password are told apart by nobody who
tries: the same words, the same work, the same counting.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from engine.platform.accounts.accounts import Accounts, attempts_key
from engine.platform.accounts.attempts import ACCOUNT, ADDRESS, network
from engine.platform.accounts.names import canonical_name, is_tenant
from engine.platform.accounts.person import Account, Person
from engine.platform.accounts.roles import decoded
from engine.platform.accounts.sessions import session_id
from engine.platform.audit import Actor, Audit
from engine.platform.database import Database
from engine.platform.database.institutions import INSTITUTIONS
from engine.platform.database.people import ACCOUNTS, SESSIONS
from engine.platform.errors import AccountError

_LONGEST_TENANT = 63
_SWEEP_EVERY = 64  # sign-ins of a process


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun. `token` goes into the cookie and nowhere else."""

    token: str
    account: Account

    def __repr__(self) -> str:
        return f"SignedIn({self.account.account_id})"


class SigningIn:
    """Methods block; any thread and process may call them."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        accounts: Accounts,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._database, self._audit, self._accounts, self._clock = database, audit, accounts, clock
        self._begun = 0

    def by_password(
        self, tenant: str, name: str, password: str, *, address: str, old_token: str = ""
    ) -> SignedIn:
        """Begin a session. `tenant` may be "" where the platform has one institution only.

        `old_token` is the cookie that the browser had: its session ends. Raises AccountError: "sign-in-refused"
        whatever was wrong, "too-many-attempts" with `wait`. Each attempt has its row in the audit trail.
        """
        institution = self._institution(tenant)
        known_name = canonical_name(name)
        key = attempts_key(tenant[: _LONGEST_TENANT + 1], known_name or name[:256])
        actor = Actor("anonymous", "", address)
        try:
            self._accounts.attempts.take(ADDRESS, network(address))
            self._accounts.attempts.take(ACCOUNT, key)
        except AccountError as problem:
            self._refused(institution, known_name, name, actor, problem.code)
            raise
        account = self._verified(institution, known_name, password)
        if account is None:
            self._refused(institution, known_name, name, actor, "sign-in-refused")
            raise refusal()
        self._accounts.attempts.forget(ACCOUNT, key)
        self._accounts.attempts.give_back(ADDRESS, network(address))
        return self.begin(account, "password", address=address, old_token=old_token)

    def begin(self, account: Account, method: str, *, address: str, old_token: str = "") -> SignedIn:
        """A session for somebody whose sign-in was verified by `method`; the row in the audit trail with it.

        Raises AccountError("sign-in-refused") if the account has just been disabled.
        """
        with self._database.begin() as connection:
            if old_token:
                connection.execute(delete(SESSIONS).where(SESSIONS.c.session_id == session_id(old_token)))
            changed = connection.execute(
                update(ACCOUNTS)
                .where(ACCOUNTS.c.account_id == account.account_id, ACCOUNTS.c.disabled.is_(False))
                .values(last_sign_in=self._clock())
            )
            if changed.rowcount != 1:
                raise refusal()
            token = self._accounts.sessions.open_in(connection, account.account_id, address)
            self._audit.record_in(
                connection,
                "sign-in",
                actor=Actor("person", account.name, address),
                tenant=account.tenant,
                outcome="success",
                subject=account.name,
                detail={"method": method},
            )
        self._begun += 1
        if self._begun % _SWEEP_EVERY == 1:
            self._accounts.sessions.sweep()
            self._accounts.attempts.sweep()
        return SignedIn(token, account)

    def end(self, person: Person) -> None:
        """Sign out."""
        self._accounts.sessions.end(person.session_id)
        self._audit.record(
            "sign-out", actor=person.actor, tenant=person.tenant, outcome="success", subject=person.name
        )

    def change_password(self, person: Person, old: str, new: str) -> SignedIn:
        """Give oneself another password: every session ends, and a new one begins for this browser.

        Raises AccountError: "password-wrong", "too-many-attempts", or one of `passwords.check_new`.
        """
        key = attempts_key(person.tenant, person.name)
        self._accounts.attempts.take(ACCOUNT, key)
        if self._verified(person.tenant, person.name, old) is None:
            self._audit.record(
                "account-password",
                actor=person.actor,
                tenant=person.tenant,
                outcome="refused",
                subject=person.name,
                detail={"code": "password-wrong"},
            )
            raise AccountError("password-wrong", "the present password is not right")
        self._accounts.set_password(person.tenant, person.account_id, new, by=person.actor)
        account = self._accounts.get(person.tenant, person.account_id)
        return self.begin(account, "password", address=person.address)

    def _verified(self, tenant: str | None, name: str | None, password: str) -> Account | None:
        """The account, if the password is right and it may sign in. Costs the same whatever is wrong."""
        row = None
        if tenant is not None and name is not None:
            query = select(ACCOUNTS).where(ACCOUNTS.c.tenant == tenant, ACCOUNTS.c.name == name)
            with self._database.read() as connection:
                row = connection.execute(query).one_or_none()
        hasher = self._accounts.passwords
        right = hasher.verify(None if row is None else row.password, password)
        if row is None or not right or row.disabled:
            return None
        if hasher.outdated(row.password):
            unchanged = (ACCOUNTS.c.account_id == row.account_id) & (ACCOUNTS.c.password == row.password)
            with self._database.begin() as connection:
                connection.execute(update(ACCOUNTS).where(unchanged).values(password=hasher.hashed(password)))
        return Account(
            row.account_id,
            row.tenant,
            row.name,
            decoded(row.roles),
            False,
            row.created,
            row.last_sign_in,
            None,
        )

    def _institution(self, typed: str) -> str | None:
        query = select(INSTITUTIONS.c.name).limit(2)
        if typed:
            if not is_tenant(typed):
                return None
            query = query.where(INSTITUTIONS.c.name == typed)
        with self._database.read() as connection:
            names = [row.name for row in connection.execute(query)]
        return str(names[0]) if len(names) == 1 else None

    def _refused(self, tenant: str | None, name: str | None, typed: str, actor: Actor, code: str) -> None:
        """A row for an attempt that failed. The name is in it only if there is such an account."""
        known = tenant is not None and name is not None and self._accounts.named(tenant, name) is not None
        subject = name if known and name is not None else ""
        detail = (
            {"code": code} if subject else {"code": code, "name_tag": self._audit.tag(name or typed[:256])}
        )
        self._audit.record(
            "sign-in", actor=actor, tenant=tenant, outcome="refused", subject=subject, detail=detail
        )


def refusal() -> AccountError:
    """What everybody is told who may not sign in."""
    return AccountError("sign-in-refused", "the institution, the name or the password is not right")
