"""The vault: every version of every institution's hash secret, under envelope encryption.

    data key     32 random bytes for each version, wrapped by the master key (AES Key Wrap, RFC 3394)
    sealed       nonce (12 bytes), then the secret under AES-256-GCM with that data key, and the tag
    AAD          b"penstock hash secret", tenant and version number, each ended by NUL

A row that was moved to another tenant or version does not open. A rotation of the master key re-wraps data keys and
leaves `sealed` alone.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, func, insert, select, update

from engine.errors import ConfigError, SpoolError, TransportError
from engine.platform.database import Database
from engine.platform.database.connection import take_turns
from engine.platform.database.institutions import INSTITUTIONS
from engine.platform.database.vault import VAULT_SECRETS
from engine.platform.keys import KEY_BYTES, MasterKey
from engine.pseudonymize.identity import HashSecret

_NONCE = 12


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """What may be told of a version: its number from 1, its key id, when it was made (microseconds since 1970)."""

    number: int
    key_id: str
    created: int
    current: bool


class Vault:
    """Every method blocks; any thread may call it. A secret leaves only as a HashSecret, which never shows itself."""

    def __init__(self, database: Database, master: MasterKey) -> None:
        self._database, self._master = database, master

    def create(self, tenant: str) -> SecretVersion:
        """The first secret of an institution. Raises ConfigError ("secret-exists", "institution-unknown")."""
        return self._add(tenant, HashSecret.generate(), first=True)

    def import_secret(self, tenant: str, secret: HashSecret) -> SecretVersion:
        """Take in a secret that is in use already, as the current version. Raises ConfigError ("secret-exists")
        when the institution has had it, and "institution-unknown".
        """
        return self._add(tenant, secret, first=False)

    def rotate(self, tenant: str) -> SecretVersion:
        """A new current secret; the earlier ones stay for look-ups."""
        return self._add(tenant, HashSecret.generate(), first=False)

    def versions(self, tenant: str) -> list[SecretVersion]:
        """All versions, the oldest first."""
        columns = (
            VAULT_SECRETS.c.number,
            VAULT_SECRETS.c.key_id,
            VAULT_SECRETS.c.created,
            VAULT_SECRETS.c.current,
        )
        wanted = select(*columns).where(VAULT_SECRETS.c.tenant == tenant).order_by(VAULT_SECRETS.c.number)
        with self._database.read() as connection:
            return [SecretVersion(*row) for row in connection.execute(wanted)]

    def secret(self, tenant: str, number: int | None = None) -> HashSecret:
        """One version's secret, the current one's by default.

        Raises TransportError("not-found"), or SpoolError ("data-key", "secret-altered") when it does not open.
        """
        which = VAULT_SECRETS.c.current if number is None else VAULT_SECRETS.c.number == number
        columns = VAULT_SECRETS.c.number, VAULT_SECRETS.c.sealed, VAULT_SECRETS.c.wrapped_key
        wanted = select(*columns).where(VAULT_SECRETS.c.tenant == tenant, which)
        with self._database.read() as connection:
            row = connection.execute(wanted).one_or_none()
        if row is None:
            raise TransportError("not-found", "there is no such hash secret")
        return self._open(tenant, row.number, row.sealed, row.wrapped_key)

    def _open(self, tenant: str, number: int, sealed: bytes, wrapped: bytes) -> HashSecret:
        cipher = AESGCM(self._master.unwrap(wrapped))
        try:
            return HashSecret(cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _context(tenant, number)))
        except (InvalidTag, ValueError):
            problem = SpoolError(
                "secret-altered",
                f"version {number} of the hash secret of {tenant} was altered in the database",
                hint="restore the database from a backup",
            )
        raise problem

    def _add(self, tenant: str, secret: HashSecret, *, first: bool) -> SecretVersion:
        with self._database.begin() as connection:
            take_turns(connection, "vault")
            self._must_fit(connection, tenant, secret, first=first)
            mine = VAULT_SECRETS.c.tenant == tenant
            last = connection.scalar(select(func.max(VAULT_SECRETS.c.number)).where(mine)) or 0
            made = SecretVersion(last + 1, secret.key_id, time.time_ns() // 1000, current=True)
            data_key, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(_NONCE)
            sealed = AESGCM(data_key).encrypt(nonce, secret.key, _context(tenant, made.number))
            connection.execute(update(VAULT_SECRETS).where(mine).values(current=False))
            connection.execute(
                insert(VAULT_SECRETS).values(
                    tenant=tenant,
                    number=made.number,
                    key_id=made.key_id,
                    sealed=nonce + sealed,
                    wrapped_key=self._master.wrap(data_key),
                    master_key_id=self._master.key_id,
                    created=made.created,
                    current=True,
                )
            )
        return made

    def _must_fit(self, connection: Connection, tenant: str, secret: HashSecret, *, first: bool) -> None:
        if connection.scalar(select(INSTITUTIONS.c.name).where(INSTITUTIONS.c.name == tenant)) is None:
            raise ConfigError(
                "institution-unknown",
                "there is no such institution",
                hint="penstock platform institution add NAME",
            )
        known = select(VAULT_SECRETS.c.key_id).where(VAULT_SECRETS.c.tenant == tenant)
        had = set(connection.scalars(known))
        if secret.key_id in had or (first and had):
            raise ConfigError(
                "secret-exists",
                f"{tenant} has {'a hash secret' if first else 'this hash secret'} already",
                hint="penstock platform secret rotate makes another one" if first else "",
            )


def _context(tenant: str, number: int) -> bytes:
    return b"penstock hash secret\0" + tenant.encode() + b"\0" + str(number).encode() + b"\0"
