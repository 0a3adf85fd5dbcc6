"""The vault's tables: versions of hash secrets, each under a data key of its own, and which master key is in force."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from engine.platform.database.metadata import METADATA

VAULT_SECRETS = Table(
    "vault_secrets",
    METADATA,
    Column("tenant", Text, ForeignKey("institutions.name"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="the version, from 1"),
    Column("key_id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="nonce, ciphertext and tag of AES-256-GCM"),
    Column("wrapped_key", LargeBinary, nullable=False, comment="the data key under the master key, RFC 3394"),
    Column("master_key_id", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("current", Boolean, nullable=False),
    UniqueConstraint("tenant", "key_id"),
)

MASTER_KEY = Table(
    "master_key",
    METADATA,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("key_id", Text, nullable=False, comment="the master key that all data keys are wrapped by"),
    CheckConstraint("one = 1", name="one_row"),
)
