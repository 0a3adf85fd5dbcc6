"""The tables of the audit trail: rows that are only ever added, and where each chain ends.

The migration adds triggers that refuse to change or remove a row. `audit_cursors` remembers how far each
destination has got with exporting.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from engine.platform.database.metadata import METADATA

AUDIT = Table(
    "audit",
    METADATA,
    Column("chain", Text, primary_key=True, comment="the institution, or empty"),
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="from 1, without gaps"),
    Column("time", BigInteger, nullable=False, comment="microseconds since 1970"),
    Column("event", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("actor_address", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False, comment="a JSON object"),
    Column("previous", Text, nullable=False, comment="the mark of the row before"),
    Column("mark", Text, nullable=False, comment="HMAC-SHA-256 of all the rest"),
    Index("ix_audit_time", "chain", "time"),
)

AUDIT_HEADS = Table(
    "audit_heads",
    METADATA,
    Column("chain", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("mark", Text, nullable=False, comment="of the last row"),
    Column("head_mark", Text, nullable=False, comment="HMAC-SHA-256 of the three"),
)

AUDIT_CURSORS = Table(
    "audit_cursors",
    METADATA,
    Column("destination", Text, primary_key=True),
    Column("chain", Text, primary_key=True),
    Column("number", BigInteger, nullable=False, comment="of the last row that was handed over"),
)
