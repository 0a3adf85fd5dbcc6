"""Delegated sign-in: a gateway's page asks the platform who somebody is.

1. The gateway announces the address of its page over mutual TLS. A code is sent there and nowhere else: no request
   says where to go.
2. The browser comes with a state and a challenge (SHA-256 of a verifier that the gateway keeps). Who is signed in and
   has the role confirms, and goes back with a code: random, good once, for a minute, for that gateway and challenge.
3. The gateway redeems code and verifier over mutual TLS. A code that leaks is worth nothing without the gateway's key
   and verifier; a code that is slipped into another browser meets another state there.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sqlalchemy import delete, insert, select

from engine.platform.accounts.attempts import SECOND
from engine.platform.accounts.person import Person
from engine.platform.accounts.roles import decoded
from engine.platform.audit import Actor, Audit
from engine.platform.database import Database
from engine.platform.database.calculators import CALCULATOR_CODES, CALCULATOR_TICKETS, CALCULATORS
from engine.platform.database.people import ACCOUNTS
from engine.platform.errors import AccountError
from engine.platform.permissions import Role

CODE_SECONDS = 60
_WORD = re.compile(r"[A-Za-z0-9_-]{43}")  # 32 bytes as base64url
_GATEWAY = re.compile(r"[0-9a-f]{16}")
_LONGEST_URL = 255


@dataclass(frozen=True, slots=True)
class Asking:
    """A gateway's page that wants to know who somebody is. `url` is what the gateway announced."""

    gateway_id: str
    tenant: str
    url: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a gateway gets for a code. `token` stands for the person in look-ups; `seconds` until it ends."""

    token: str = field(repr=False)
    account_id: str
    name: str
    seconds: int


class Calculators:
    """Methods block and may be called from any thread and process."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        ticket_seconds: int,
        *,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._database, self._audit, self._clock = database, audit, clock
        self._ticket_seconds = ticket_seconds

    def announce(self, tenant: str, gateway_id: str, url: str, by: Actor) -> None:
        """Note where the page of a gateway is. Raises AccountError("calculator-url")."""
        check_url(url)
        now = self._clock()
        with self._database.begin() as connection:
            known = select(CALCULATORS.c.url).where(CALCULATORS.c.gateway_id == gateway_id)
            if connection.scalar(known) == url:
                return
            connection.execute(delete(CALCULATORS).where(CALCULATORS.c.gateway_id == gateway_id))
            connection.execute(
                insert(CALCULATORS).values(gateway_id=gateway_id, tenant=tenant, url=url, announced=now)
            )
            self._audit.record_in(
                connection,
                "calculator-announced",
                actor=by,
                tenant=tenant,
                outcome="success",
                subject=gateway_id,
                detail={"url": url},
            )

    def asking(self, gateway_id: str, state: str, challenge: str) -> Asking:
        """Who asks. Raises AccountError("calculator-unknown") for a gateway without a page, or odd parameters."""
        well_formed = _GATEWAY.fullmatch(gateway_id) and _WORD.fullmatch(state) and _WORD.fullmatch(challenge)
        row = None
        if well_formed:
            with self._database.read() as connection:
                row = connection.execute(
                    select(CALCULATORS).where(CALCULATORS.c.gateway_id == gateway_id)
                ).one_or_none()
        if row is None:
            raise AccountError(
                "calculator-unknown",
                "no calculator of this platform's asked for this sign-in",
                hint="open the calculator's page again",
            )
        return Asking(row.gateway_id, row.tenant, row.url)

    def code(self, asking: Asking, person: Person, challenge: str) -> str:
        """A code for the gateway's page, good once. Raises AccountError("not-allowed") across institutions."""
        if person.tenant != asking.tenant or not person.has(Role.CALCULATOR):
            self._note("refused", person.actor, person.tenant, asking.gateway_id, code="not-allowed")
            raise AccountError("not-allowed", "this calculator is not one of your institution's")
        code, now = secrets.token_urlsafe(32), self._clock()
        with self._database.begin() as connection:
            connection.execute(delete(CALCULATOR_CODES).where(CALCULATOR_CODES.c.expires < now))
            connection.execute(
                insert(CALCULATOR_CODES).values(
                    code=_digest(code),
                    gateway_id=asking.gateway_id,
                    account_id=person.account_id,
                    challenge=challenge,
                    expires=now + CODE_SECONDS * SECOND,
                )
            )
        return code

    def redeem(self, tenant: str, gateway_id: str, code: str, verifier: str, by: Actor) -> Ticket:
        """A ticket for a code. Raises AccountError("code-refused"), whatever is wrong with it."""
        now = self._clock()
        with self._database.begin() as connection:
            row = connection.execute(
                select(CALCULATOR_CODES).where(CALCULATOR_CODES.c.code == _digest(code)).with_for_update()
            ).one_or_none()
            connection.execute(delete(CALCULATOR_CODES).where(CALCULATOR_CODES.c.code == _digest(code)))
            account = None
            if (
                row is not None
                and row.expires > now
                and row.gateway_id == gateway_id
                and hmac.compare_digest(row.challenge, challenge_of(verifier))
            ):
                account = connection.execute(
                    select(ACCOUNTS).where(
                        ACCOUNTS.c.account_id == row.account_id,
                        ACCOUNTS.c.tenant == tenant,
                        ACCOUNTS.c.disabled.is_(False),
                    )
                ).one_or_none()
            allowed = account is not None and Role.CALCULATOR in decoded(account.roles)
            if account is not None and allowed:
                token = secrets.token_urlsafe(32)
                connection.execute(delete(CALCULATOR_TICKETS).where(CALCULATOR_TICKETS.c.expires < now))
                connection.execute(
                    insert(CALCULATOR_TICKETS).values(
                        ticket=_digest(token),
                        gateway_id=gateway_id,
                        account_id=account.account_id,
                        expires=now + self._ticket_seconds * SECOND,
                    )
                )
                self._audit.record_in(
                    connection,
                    "calculator-sign-in",
                    actor=Actor("person", account.name, by.address),
                    tenant=tenant,
                    outcome="success",
                    subject=account.name,
                    detail={"gateway": by.name},
                )
        if account is None or not allowed:
            self._note("refused", by, tenant, gateway_id, code="code-refused")
            raise AccountError("code-refused", "the code is not good, or no longer", hint="sign in again")
        return Ticket(token, account.account_id, account.name, self._ticket_seconds)

    def holder(self, tenant: str, gateway_id: str, token: str, address: str) -> Person:
        """Who a ticket of this gateway stands for. Raises AccountError("session-ended")."""
        query = (
            select(ACCOUNTS)
            .join(CALCULATOR_TICKETS, CALCULATOR_TICKETS.c.account_id == ACCOUNTS.c.account_id)
            .where(
                CALCULATOR_TICKETS.c.ticket == _digest(token),
                CALCULATOR_TICKETS.c.gateway_id == gateway_id,
                CALCULATOR_TICKETS.c.expires > self._clock(),
                ACCOUNTS.c.tenant == tenant,
                ACCOUNTS.c.disabled.is_(False),
            )
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or Role.CALCULATOR not in decoded(row.roles):
            raise AccountError("session-ended", "the sign-in has ended", hint="sign in again")
        return Person(row.account_id, row.name, tenant, decoded(row.roles), "", "", address)

    def end(self, gateway_id: str, token: str) -> None:
        """The ticket is good no longer."""
        with self._database.begin() as connection:
            connection.execute(
                delete(CALCULATOR_TICKETS).where(
                    CALCULATOR_TICKETS.c.ticket == _digest(token),
                    CALCULATOR_TICKETS.c.gateway_id == gateway_id,
                )
            )

    def _note(self, outcome: str, actor: Actor, tenant: str, gateway_id: str, *, code: str) -> None:
        self._audit.record(
            "calculator-sign-in",
            actor=actor,
            tenant=tenant,
            outcome="refused" if outcome == "refused" else "failed",
            subject=gateway_id,
            detail={"code": code},
        )


def check_url(url: str) -> None:
    """https and a host, with a port perhaps, and nothing else. Raises AccountError("calculator-url")."""
    try:
        parts = urlsplit(url)
        plain = f"https://{parts.netloc}" == url and bool(parts.hostname) and parts.port != 0
        good = plain and re.fullmatch(r"[A-Za-z0-9.\-\[\]:]+", parts.netloc) is not None
    except ValueError:
        good = False
    if not good or len(url) > _LONGEST_URL:
        raise AccountError("calculator-url", "a calculator's address is https://HOST or https://HOST:PORT")


def challenge_of(verifier: str) -> str:
    """SHA-256 as base64url without padding, as RFC 7636 has it."""
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
