"""The tables of calculators at gateways, and of sign-ins that gateways ask the platform for.

Times are microseconds since 1970. Codes and tickets are kept as SHA-256: nothing here lets somebody sign in.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text

from engine.platform.database.metadata import METADATA

CALCULATORS = Table(
    "calculators",
    METADATA,
    Column("gateway_id", Text, ForeignKey("gateways.gateway_id"), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("url", Text, nullable=False, comment="https://HOST[:PORT]; the only place a code is ever sent to"),
    Column("announced", BigInteger, nullable=False),
)

CALCULATOR_CODES = Table(
    "calculator_codes",
    METADATA,
    Column("code", Text, primary_key=True, comment="SHA-256"),
    Column("gateway_id", Text, nullable=False),
    Column("account_id", Text, ForeignKey("accounts.account_id"), nullable=False),
    Column("challenge", Text, nullable=False, comment="SHA-256 of the gateway's verifier, base64url"),
    Column("expires", BigInteger, nullable=False),
)

CALCULATOR_TICKETS = Table(
    "calculator_tickets",
    METADATA,
    Column("ticket", Text, primary_key=True, comment="SHA-256"),
    Column("gateway_id", Text, nullable=False),
    Column("account_id", Text, ForeignKey("accounts.account_id"), nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("ix_calculator_tickets_account", "account_id"),
)
