"""Sessions in the database: a random token of 256 bits in a cookie, its hash here."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from engine.platform.accounts.attempts import SECOND
from engine.platform.accounts.person import Person
from engine.platform.accounts.roles import decoded
from engine.platform.database import Database
from engine.platform.database.people import ACCOUNTS, SESSIONS

_TOKEN_CHARACTERS = 43  # 32 bytes as base64url
_SEEN_EVERY = 60


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """In seconds: a session ends `idle` after the last request, and `absolute` after the sign-in at the latest."""

    idle: int = 1800
    absolute: int = 43_200


class Sessions:
    """Methods block and may be called from any thread and process."""

    def __init__(
        self,
        database: Database,
        lifetimes: Lifetimes | None = None,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._database, self._clock = database, clock
        self.lifetimes = lifetimes or Lifetimes()

    def open_in(self, connection: Connection, account_id: str, address: str) -> str:
        """Begin a session, as a part of a transaction; the token, which is shown to the browser alone."""
        token, now = secrets.token_urlsafe(32), self._clock()
        started = {"account_id": account_id, "started": now, "seen": now, "address": address}
        connection.execute(insert(SESSIONS).values(session_id=session_id(token), **started))
        return token

    def find(self, token: str, address: str = "") -> Person | None:
        """Who the token is, or None if it is nobody's, too old, or its account is disabled."""
        if len(token) != _TOKEN_CHARACTERS:
            return None
        named, now = session_id(token), self._clock()
        query = (
            select(
                SESSIONS.c.seen, ACCOUNTS.c.account_id, ACCOUNTS.c.name, ACCOUNTS.c.tenant, ACCOUNTS.c.roles
            )
            .join(ACCOUNTS, ACCOUNTS.c.account_id == SESSIONS.c.account_id)
            .where(SESSIONS.c.session_id == named, ACCOUNTS.c.disabled.is_(False), self._alive(now))
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if now - row.seen > min(_SEEN_EVERY, self.lifetimes.idle // 10) * SECOND:
            with self._database.begin() as connection:
                connection.execute(update(SESSIONS).where(SESSIONS.c.session_id == named).values(seen=now))
        csrf = hmac.new(token.encode(), b"penstock csrf 1", hashlib.sha256).hexdigest()
        return Person(row.account_id, row.name, row.tenant, decoded(row.roles), named, csrf, address)

    def end(self, named: str) -> None:
        """End one session, given its id."""
        with self._database.begin() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.session_id == named))

    def end_all_in(self, connection: Connection, account_id: str) -> int:
        """End every session of an account, as a part of a transaction; how many there were."""
        return connection.execute(delete(SESSIONS).where(SESSIONS.c.account_id == account_id)).rowcount

    def sweep(self) -> None:
        """Remove sessions that have ended by themselves."""
        now = self._clock()
        with self._database.begin() as connection:
            connection.execute(delete(SESSIONS).where(~self._alive(now)))

    def _alive(self, now: int) -> ColumnElement[bool]:
        return and_(
            SESSIONS.c.seen > now - self.lifetimes.idle * SECOND,
            SESSIONS.c.started > now - self.lifetimes.absolute * SECOND,
        )


def session_id(token: str) -> str:
    """What the database knows a token by."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
