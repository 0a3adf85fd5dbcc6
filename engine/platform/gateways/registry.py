"""Tokens, gateways and their epochs. What must happen once happens in one transaction."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from engine.enrolment.token import Token, digest_of
from engine.errors import ConfigError
from engine.platform.audit import Actor, Audit
from engine.platform.database import Database
from engine.platform.database.connection import take_turns
from engine.platform.database.gateways import GATEWAY_TOKENS, GATEWAYS
from engine.platform.database.institutions import INSTITUTIONS
from engine.platform.gateways import csr as requests
from engine.platform.gateways.authority import GatewayAuthority, Issued, Subject
from engine.platform.gateways.errors import EnrolmentError
from engine.platform.gateways.rows import Gateway, GatewayState, TokenRow, gateway_of, token_of
from engine.platform.vault import Vault

LONGEST_TOKEN = 3600.0
USUAL_NAME = "gateway"
MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an enrolled gateway is told. `replaced`: an older instance of this name is fenced by it."""

    subject: Subject
    issued: Issued
    replaced: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """What gateways are given: how long certificates live, and by what they know the platform.

    `pin`: SHA-256 of the public key that `[web]` shows, None without [web]; `server_ca`: PEM, None if none vouches;
    `url` "" is the host that the gateway enrols at, with `port`.
    """

    certificate_seconds: float
    pin: bytes | None
    server_ca: bytes | None
    url: str = ""
    port: int = 0


class Gateways:
    """The gateways of all institutions. Methods block; any thread may call them. `clock`: seconds since 1970."""

    def __init__(
        self,
        database: Database,
        authority: GatewayAuthority,
        vault: Vault,
        audit: Audit,
        terms: Terms,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._vault, self._audit, self._clock = database, vault, audit, clock
        self.authority, self.terms = authority, terms

    def new_token(self, tenant: str, by: Actor, lifetime: float = LONGEST_TOKEN, *, gateway: str = "") -> str:
        """A token for one enrolment at this institution, to be shown once; `lifetime` in seconds, at most an hour.

        `gateway` is the only name that it may be used for; "" leaves the name to the request. Raises EnrolmentError
        "token-lifetime", "gateway-name", "institution-unknown", or, where the platform cannot enrol, "no-web" and
        "no-server-ca".
        """
        if not 0 < lifetime <= LONGEST_TOKEN:
            raise EnrolmentError("token-lifetime", "a token lives for at most an hour")
        if gateway:
            requests.check_name(gateway)
        if self.terms.pin is None:
            raise EnrolmentError(
                "no-web",
                "tokens are used at the platform's [web] listener, and it has none",
                hint="add [web]",
            )
        if self.terms.server_ca is None:
            raise EnrolmentError(
                "no-server-ca",
                "platform.client_ca does not vouch for platform.certificate, so gateways could not verify it",
                hint="set gateways.server_ca to the CA that issued platform.certificate",
            )
        token, now = Token.new(self.terms.pin), self._now()
        token_id = secrets.token_hex(4)
        with self._database.begin() as connection:
            known = select(INSTITUTIONS.c.name).where(INSTITUTIONS.c.name == tenant)
            if connection.execute(known).one_or_none() is None:
                raise EnrolmentError("institution-unknown", "there is no such institution")
            connection.execute(
                insert(GATEWAY_TOKENS).values(
                    token_id=token_id,
                    tenant=tenant,
                    gateway=gateway,
                    digest=token.digest,
                    created_by=by.name,
                    created=now,
                    expires=now + int(lifetime * MICRO),
                )
            )
            self._audit.record_in(
                connection, "token-created", actor=by, tenant=tenant, outcome="success", subject=token_id
            )
        self._must_have_secret(tenant)
        return token.text

    def _must_have_secret(self, tenant: str) -> None:
        """A gateway that comes for the hash secret shall find one."""
        if self._vault.versions(tenant):
            return
        try:
            self._vault.create(tenant)
        except ConfigError:
            if not self._vault.versions(tenant):  # else somebody else made it meanwhile
                raise

    def tokens(self, tenant: str | None = None) -> list[TokenRow]:
        """Every token of an institution, or of all, the newest first. Their secrets are not known here."""
        query = select(GATEWAY_TOKENS).order_by(GATEWAY_TOKENS.c.created.desc())
        if tenant is not None:
            query = query.where(GATEWAY_TOKENS.c.tenant == tenant)
        with self._database.read() as connection:
            return [token_of(row, self._now()) for row in connection.execute(query)]

    def withdraw_token(self, tenant: str, token_id: str, by: Actor) -> bool:
        """Make a token useless that was not used yet; False if there is no such token."""
        table = GATEWAY_TOKENS
        which = (table.c.tenant == tenant) & (table.c.token_id == token_id) & table.c.used.is_(None)
        with self._database.begin() as connection:
            done = connection.execute(
                update(table).where(which, table.c.withdrawn.is_(None)).values(withdrawn=self._now())
            )
            if done.rowcount:
                self._audit.record_in(
                    connection,
                    "token-withdrawn",
                    actor=by,
                    tenant=tenant,
                    outcome="success",
                    subject=token_id,
                )
        return bool(done.rowcount)

    def enrol(self, secret: bytes, csr: bytes, address: str = "") -> Enrolment:
        """Use a token, once: a certificate for the request's key, and a new epoch for the gateway of that name.

        Raises EnrolmentError for a token or a request that is refused; the token can be used again only if it was
        the request that was wrong. Every refusal of a token is in the audit trail.
        """
        try:
            wish = requests.read(csr)
            with self._database.begin() as connection:
                return self._enrol(connection, secret, wish, address)
        except EnrolmentError as refusal:
            self._refused(secret, refusal, address)
            raise

    def _enrol(self, connection: Connection, secret: bytes, wish: requests.Wish, address: str) -> Enrolment:
        token = self._use(connection, secret)
        if wish.organization not in ("", token.tenant):
            raise EnrolmentError(
                "csr-institution", "the certificate request asks for another institution than the token's"
            )
        if token.gateway and wish.name not in ("", token.gateway):
            raise EnrolmentError(
                "token-gateway",
                "the token is for a gateway of another name",
                hint="leave the name out, or ask for a token for this name",
            )
        name = token.gateway or wish.name or USUAL_NAME
        subject = self._next_epoch(connection, token.tenant, name)
        issued = self.authority.issue(subject, wish.public_key, self.terms.certificate_seconds)
        self._note_expiry(connection, subject, issued)
        connection.execute(
            update(GATEWAY_TOKENS)
            .where(GATEWAY_TOKENS.c.token_id == token.token_id)
            .values(used_by=subject.gateway_id)
        )
        actor = Actor("gateway", name, address)
        told: dict[str, str | int] = {"token": token.token_id, "epoch": subject.epoch}
        events = [("token-used", token.token_id), ("gateway-enrolled", name)]
        if subject.epoch > 1:
            events.append(("gateway-fenced", name))
        for event, about in events:
            self._audit.record_in(
                connection,
                event,
                actor=actor,
                tenant=token.tenant,
                outcome="success",
                subject=about,
                detail=told,
            )
        return Enrolment(subject, issued, subject.epoch > 1)

    def renew(self, subject: Subject, csr: bytes, address: str = "") -> Issued:
        """Another certificate for an enrolled gateway, for a new key. Raises EnrolmentError.

        The caller has seen that `subject` is in force; it is looked at again in the transaction.
        """
        wish = requests.read(csr)
        if wish.organization not in ("", subject.tenant) or wish.name not in ("", subject.name):
            raise EnrolmentError("csr-institution", "the certificate request asks for another name")
        with self._database.begin() as connection:
            row = connection.execute(
                select(GATEWAYS).where(GATEWAYS.c.gateway_id == subject.gateway_id).with_for_update()
            ).one_or_none()
            refusal = refused(gateway_of(row) if row else None, subject)
            if refusal is not None:
                raise refusal
            issued = self.authority.issue(subject, wish.public_key, self.terms.certificate_seconds)
            self._note_expiry(connection, subject, issued)
            self._audit.record_in(
                connection,
                "gateway-renewed",
                actor=Actor("gateway", subject.name, address),
                tenant=subject.tenant,
                outcome="success",
                subject=subject.name,
                detail={"epoch": subject.epoch},
            )
        return issued

    def all(self, tenant: str | None = None) -> list[Gateway]:
        """Every gateway of an institution, or of all, by name."""
        query = select(GATEWAYS).order_by(GATEWAYS.c.tenant, GATEWAYS.c.name)
        if tenant is not None:
            query = query.where(GATEWAYS.c.tenant == tenant)
        with self._database.read() as connection:
            return [gateway_of(row) for row in connection.execute(query)]

    def find(self, gateway_id: str) -> Gateway | None:
        """One gateway by its id."""
        with self._database.read() as connection:
            row = connection.execute(
                select(GATEWAYS).where(GATEWAYS.c.gateway_id == gateway_id)
            ).one_or_none()
        return None if row is None else gateway_of(row)

    def seen(self, gateway_id: str) -> None:
        """Note that the gateway spoke now."""
        with self._database.begin() as connection:
            connection.execute(
                update(GATEWAYS).where(GATEWAYS.c.gateway_id == gateway_id).values(last_seen=self._now())
            )

    def revoke(self, tenant: str, name: str, by: Actor) -> bool:
        """Refuse every certificate of this gateway from now on; False if there is none, or it is revoked already.

        A new enrolment of the same name brings it back, as a new instance.
        """
        which = (GATEWAYS.c.tenant == tenant) & (GATEWAYS.c.name == name)
        with self._database.begin() as connection:
            done = connection.execute(
                update(GATEWAYS)
                .where(which, GATEWAYS.c.state == GatewayState.ENROLLED)
                .values(state=GatewayState.REVOKED)
            )
            if done.rowcount:
                self._audit.record_in(
                    connection, "gateway-revoked", actor=by, tenant=tenant, outcome="success", subject=name
                )
        return bool(done.rowcount)

    def _use(self, connection: Connection, secret: bytes) -> TokenRow:
        """The token, used by this transaction and by no other. Raises EnrolmentError that says why not."""
        table, now = GATEWAY_TOKENS, self._now()
        which = table.c.digest == digest_of(secret)
        usable = table.c.used.is_(None) & table.c.withdrawn.is_(None) & (table.c.expires > now)
        # The condition is judged on the row as it is when this transaction holds it: of two that race, one changes it.
        done = connection.execute(update(table).where(which, usable).values(used=now))
        row = connection.execute(select(table).where(which)).one_or_none()
        if row is None:
            raise EnrolmentError(
                "token-unknown",
                "the platform knows no such token",
                hint="ask for a new one; was it another platform's?",
            )
        token = token_of(row, now)
        if done.rowcount:
            return token
        if token.withdrawn is not None:
            raise EnrolmentError("token-withdrawn", "the token was withdrawn", hint="ask for a new one")
        if token.used is not None:
            raise EnrolmentError(
                "token-used",
                "the token was used already",
                hint="if that was not you, tell the platform's administrator at once; ask for a new one",
            )
        raise EnrolmentError("token-expired", "the token has expired", hint="ask for a new one")

    def _next_epoch(self, connection: Connection, tenant: str, name: str) -> Subject:
        take_turns(connection, f"gateways of {tenant}")
        which = (GATEWAYS.c.tenant == tenant) & (GATEWAYS.c.name == name)
        row = connection.execute(select(GATEWAYS).where(which).with_for_update()).one_or_none()
        now = self._now()
        if row is None:
            made = Subject(tenant, name, secrets.token_hex(8), 1)
            connection.execute(
                insert(GATEWAYS).values(
                    gateway_id=made.gateway_id,
                    tenant=tenant,
                    name=name,
                    epoch=1,
                    state=GatewayState.ENROLLED,
                    enrolled=now,
                    expires=now,
                )
            )
            return made
        epoch = row.epoch + 1
        connection.execute(
            update(GATEWAYS)
            .where(which)
            .values(epoch=epoch, state=GatewayState.ENROLLED, enrolled=now, last_seen=None)
        )
        return Subject(tenant, name, row.gateway_id, epoch)

    def _note_expiry(self, connection: Connection, subject: Subject, issued: Issued) -> None:
        connection.execute(
            update(GATEWAYS)
            .where(GATEWAYS.c.gateway_id == subject.gateway_id)
            .values(expires=int(issued.expires * MICRO))
        )

    def _refused(self, secret: bytes, refusal: EnrolmentError, address: str) -> None:
        with self._database.begin() as connection:
            row = connection.execute(
                select(GATEWAY_TOKENS).where(GATEWAY_TOKENS.c.digest == digest_of(secret))
            ).one_or_none()
            self._audit.record_in(
                connection,
                "token-used",
                actor=Actor("anonymous", "", address),
                tenant=None if row is None else row.tenant,
                outcome="refused",
                subject="" if row is None else row.token_id,
                detail={"code": refusal.code},
            )

    def _now(self) -> int:
        return int(self._clock() * MICRO)


def refused(gateway: Gateway | None, subject: Subject) -> EnrolmentError | None:
    """Why a certificate for this subject is not in force; None if it is. `gateway` is what the database has by its id."""
    if gateway is None or gateway.tenant != subject.tenant or subject.epoch > gateway.epoch:
        return EnrolmentError(
            "gateway-unknown",
            "the platform does not know this gateway",
            hint="enrol it again: penstock enroll URL TOKEN --replace",
        )
    if gateway.state is GatewayState.REVOKED:
        return EnrolmentError(
            "gateway-revoked",
            "an administrator of the platform revoked this gateway",
            hint="ask why; a new token enrols it again: penstock enroll URL TOKEN --replace",
        )
    if subject.epoch < gateway.epoch:
        return EnrolmentError(
            "gateway-fenced",
            "another instance of this gateway was enrolled after this one",
            hint="if this one shall go on: penstock enroll URL TOKEN --replace, which stops the other one",
        )
    return None
