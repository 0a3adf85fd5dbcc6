"""Accounts of people: made, changed and ended by administrators of their institution; signing in.

Every change and its row in the audit trail are one transaction. An account of another institution is "not found".
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from engine.platform.accounts import passwords
from engine.platform.accounts.attempts import ACCOUNT, Attempts
from engine.platform.accounts.names import is_account_id, is_tenant, new_name
from engine.platform.accounts.person import Account
from engine.platform.accounts.roles import decoded, encoded, parsed
from engine.platform.accounts.sessions import Lifetimes, Sessions
from engine.platform.audit import Actor, Audit
from engine.platform.database import Database
from engine.platform.database.connection import take_turns
from engine.platform.database.institutions import INSTITUTIONS
from engine.platform.database.people import ACCOUNTS
from engine.platform.errors import AccountError
from engine.platform.permissions import Role


class Accounts:
    """Methods block (those with a password for tenths of a second); any thread and process may call them."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        lifetimes: Lifetimes | None = None,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._database, self._audit, self._clock = database, audit, clock
        self.passwords = passwords.Passwords()
        self.attempts = Attempts(database, clock=clock)
        self.sessions = Sessions(database, lifetimes, clock=clock)

    def create(
        self, tenant: str, name: str, password: str | None, roles: Iterable[str], *, by: Actor
    ) -> Account:
        """Make an account; without a password it signs in by OpenID Connect only, once linked.

        Raises AccountError: "account-name", "account-roles", "account-exists", "no-institution", or one of a
        password's (see `passwords.check_new`).
        """
        kept_name, given = new_name(name), parsed(roles)
        if not is_tenant(tenant):
            raise no_institution()
        if password is not None:
            passwords.check_new(password, kept_name, tenant)
        hashed = None if password is None else self.passwords.hashed(password)
        return self._insert(tenant, kept_name, hashed, given, by)

    def create_linked(
        self, tenant: str, name: str, issuer: str, subject: str, roles: frozenset[Role], *, by: Actor
    ) -> Account:
        """Make an account for somebody whom an OpenID provider knows as `subject`. Raises as `create`."""
        return self._insert(tenant, new_name(name), None, roles, by, issuer=issuer, subject=subject)

    def _insert(
        self,
        tenant: str,
        name: str,
        password: str | None,
        roles: frozenset[Role],
        by: Actor,
        issuer: str | None = None,
        subject: str | None = None,
    ) -> Account:
        now = self._clock()
        values = {
            "account_id": secrets.token_hex(16),
            "tenant": tenant,
            "name": name,
            "password": password,
            "roles": encoded(roles),
            "issuer": issuer,
            "subject": subject,
            "disabled": False,
            "created": now,
            "password_set": None if password is None else now,
        }
        try:
            with self._database.begin() as connection:
                known = select(INSTITUTIONS.c.name).where(INSTITUTIONS.c.name == tenant)
                if connection.execute(known).one_or_none() is None:
                    raise no_institution()
                connection.execute(insert(ACCOUNTS).values(values))
                self._note(connection, "account-created", tenant, name, by, roles=encoded(roles))
        except IntegrityError:
            raise AccountError("account-exists", "there is an account of this name already") from None
        return Account(str(values["account_id"]), tenant, name, roles, False, now, None, issuer)

    def all(self, tenant: str) -> list[Account]:
        """The institution's accounts by name."""
        if not is_tenant(tenant):
            return []
        query = select(ACCOUNTS).where(ACCOUNTS.c.tenant == tenant).order_by(ACCOUNTS.c.name)
        with self._database.read() as connection:
            return [_account(row) for row in connection.execute(query)]

    def get(self, tenant: str, account_id: str) -> Account:
        """One of the institution's accounts. Raises AccountError("no-account")."""
        with self._database.read() as connection:
            return _account(self._row(connection, tenant, account_id))

    def named(self, tenant: str, name: str) -> Account | None:
        """The account of this name, or None."""
        query = select(ACCOUNTS).where(ACCOUNTS.c.tenant == tenant, ACCOUNTS.c.name == name)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _account(row)

    def linked(self, tenant: str, issuer: str, subject: str) -> Account | None:
        """The institution's account for somebody whom a provider calls `subject`, or None."""
        query = select(ACCOUNTS).where(
            ACCOUNTS.c.tenant == tenant, ACCOUNTS.c.issuer == issuer, ACCOUNTS.c.subject == subject
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _account(row)

    def set_roles(self, tenant: str, account_id: str, roles: Iterable[str], *, by: Actor) -> None:
        """Give these roles and no others; the account's sessions end.

        Raises AccountError: "no-account", "account-roles", "last-administrator".
        """
        given = parsed(roles)
        with self._changing(tenant) as connection:
            row = self._row(connection, tenant, account_id)
            if Role.ADMINISTRATOR not in given:
                self._leave_one_administrator(connection, tenant, account_id)
            self._change(connection, account_id, roles=encoded(given))
            self.sessions.end_all_in(connection, account_id)
            self._note(connection, "account-roles", tenant, row.name, by, roles=encoded(given))

    def set_password(self, tenant: str, account_id: str, password: str, *, by: Actor) -> None:
        """Give a new password; the account's sessions end, a lock-out too. Raises AccountError."""
        account = self.get(tenant, account_id)
        passwords.check_new(password, account.name, tenant)
        hashed = self.passwords.hashed(password)
        with self._changing(tenant) as connection:
            row = self._row(connection, tenant, account_id)
            self._change(connection, account_id, password=hashed, password_set=self._clock())
            self.sessions.end_all_in(connection, account_id)
            self._note(connection, "account-password", tenant, row.name, by)
        self.attempts.forget(ACCOUNT, attempts_key(tenant, account.name))

    def disable(self, tenant: str, account_id: str, *, by: Actor) -> None:
        """End the account's sessions and let it sign in no more. Raises AccountError."""
        with self._changing(tenant) as connection:
            row = self._row(connection, tenant, account_id)
            self._leave_one_administrator(connection, tenant, account_id)
            self._change(connection, account_id, disabled=True)
            self.sessions.end_all_in(connection, account_id)
            self._note(connection, "account-disabled", tenant, row.name, by)

    def enable(self, tenant: str, account_id: str, *, by: Actor) -> None:
        """Let a disabled account sign in again. Raises AccountError("no-account")."""
        with self._changing(tenant) as connection:
            row = self._row(connection, tenant, account_id)
            self._change(connection, account_id, disabled=False)
            self._note(connection, "account-enabled", tenant, row.name, by)

    def sign_out(self, tenant: str, account_id: str, *, by: Actor) -> int:
        """End every session of an account; how many there were. Raises AccountError("no-account")."""
        with self._changing(tenant) as connection:
            row = self._row(connection, tenant, account_id)
            ended = self.sessions.end_all_in(connection, account_id)
            self._note(connection, "account-signed-out", tenant, row.name, by, sessions=ended)
            return ended

    @contextmanager
    def _changing(self, tenant: str) -> Iterator[Connection]:
        """A transaction that no other change to the same institution's accounts runs beside."""
        if not is_tenant(tenant):
            raise no_account()
        with self._database.begin() as connection:
            take_turns(connection, f"accounts {tenant}")
            yield connection

    def _row(self, connection: Connection, tenant: str, account_id: str) -> Row[Any]:
        query = select(ACCOUNTS).where(ACCOUNTS.c.tenant == tenant, ACCOUNTS.c.account_id == account_id)
        known = is_tenant(tenant) and is_account_id(account_id)
        row = connection.execute(query).one_or_none() if known else None
        if row is None:
            raise no_account()
        return row

    def _change(self, connection: Connection, account_id: str, **values: object) -> None:
        connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.account_id == account_id).values(values))

    def _leave_one_administrator(self, connection: Connection, tenant: str, account_id: str) -> None:
        others = select(ACCOUNTS.c.account_id, ACCOUNTS.c.roles).where(
            ACCOUNTS.c.tenant == tenant, ACCOUNTS.c.disabled.is_(False)
        )
        administrators = {
            row.account_id for row in connection.execute(others) if Role.ADMINISTRATOR in decoded(row.roles)
        }
        if administrators == {account_id}:
            raise AccountError(
                "last-administrator",
                "this is the institution's last administrator",
                hint="make somebody else an administrator first",
            )

    def _note(
        self, connection: Connection, event: str, tenant: str, name: str, by: Actor, **detail: str | int
    ) -> None:
        self._audit.record_in(
            connection, event, actor=by, tenant=tenant, outcome="success", subject=name, detail=detail
        )


def no_account() -> AccountError:
    """The refusal of an account that is not there, or not in this institution."""
    return AccountError("no-account", "there is no such account")


def no_institution() -> AccountError:
    """The refusal of an institution that is not there."""
    return AccountError(
        "no-institution", "there is no such institution", hint="penstock platform institution list"
    )


def attempts_key(tenant: str, name: str) -> str:
    """What attempts to sign in as somebody are counted by."""
    return f"{tenant}\0{name}"


def _account(row: Row[Any]) -> Account:
    return Account(
        row.account_id,
        row.tenant,
        row.name,
        decoded(row.roles),
        row.disabled,
        row.created,
        row.last_sign_in,
        row.issuer,
    )
