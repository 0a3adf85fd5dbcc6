"""The tables of people: accounts, their sessions, sign-ins by OpenID Connect that are under way, and attempts.

Times are microseconds since 1970. Nothing here lets somebody sign in: passwords are argon2id hashes, tokens are
kept as SHA-256.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from engine.platform.database.metadata import METADATA

ACCOUNTS = Table(
    "accounts",
    METADATA,
    Column("account_id", Text, primary_key=True, comment="32 hexadecimal digits"),
    Column("tenant", Text, ForeignKey("institutions.name"), nullable=False),
    Column("name", Text, nullable=False, comment="[a-z0-9][a-z0-9._@+-]{0,63}"),
    Column("password", Text, comment="argon2id, encoded; NULL signs in by OpenID Connect only"),
    Column("roles", Text, nullable=False, comment="sorted, separated by commas"),
    Column("issuer", Text, comment="of the OpenID provider; NULL signs in by password only"),
    Column("subject", Text, comment="what the provider calls the account"),
    Column("disabled", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("password_set", BigInteger),
    Column("last_sign_in", BigInteger),
    UniqueConstraint("tenant", "name"),
    UniqueConstraint("issuer", "subject", "tenant"),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("session_id", Text, primary_key=True, comment="SHA-256 of the token"),
    Column("account_id", Text, ForeignKey("accounts.account_id"), nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Index("ix_sessions_account", "account_id"),
)

OIDC_SIGN_INS = Table(
    "oidc_sign_ins",
    METADATA,
    Column("state", Text, primary_key=True, comment="SHA-256 of the state parameter"),
    Column("browser", Text, nullable=False, comment="SHA-256 of the cookie that ties it to one browser"),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False, comment="of PKCE, RFC 7636"),
    Column("next", Text, nullable=False, comment="a local path"),
    Column("started", BigInteger, nullable=False),
)

ATTEMPTS = Table(
    "attempts",
    METADATA,
    Column("key", Text, primary_key=True, comment="a hash of what is counted"),
    Column("tries", Integer, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False, comment="refused until then"),
)
