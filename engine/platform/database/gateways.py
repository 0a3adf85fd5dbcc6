"""The tables of enrolment: the platform's own authority, gateways with their epochs, and tokens.

Times are microseconds since 1970. A token's secret is not here: its hash is.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
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

AUTHORITY = Table(
    "authority",
    METADATA,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("certificate", Text, nullable=False, comment="PEM"),
    Column(
        "wrapped_key", LargeBinary, nullable=False, comment="the P-256 scalar under the master key, RFC 3394"
    ),
    Column("created", BigInteger, nullable=False),
    CheckConstraint("one = 1", name="one_row"),
)

GATEWAYS = Table(
    "gateways",
    METADATA,
    Column("gateway_id", Text, primary_key=True, comment="16 hexadecimal digits; certificates carry it"),
    Column("tenant", Text, ForeignKey("institutions.name"), nullable=False),
    Column("name", Text, nullable=False, comment="[A-Za-z0-9][A-Za-z0-9._-]{0,62}"),
    Column(
        "epoch", Integer, nullable=False, comment="which enrolment is in force, from 1; older ones are fenced"
    ),
    Column("state", Text, nullable=False, comment="enrolled or revoked"),
    Column("enrolled", BigInteger, nullable=False, comment="when the epoch began"),
    Column("expires", BigInteger, nullable=False, comment="of the latest certificate"),
    Column("last_seen", BigInteger),
    UniqueConstraint("tenant", "name"),
)

GATEWAY_TOKENS = Table(
    "gateway_tokens",
    METADATA,
    Column("token_id", Text, primary_key=True, comment="8 hexadecimal digits, for people"),
    Column("tenant", Text, ForeignKey("institutions.name"), nullable=False),
    Column(
        "gateway", Text, nullable=False, comment="the name that it is for; empty leaves it to the request"
    ),
    Column("digest", Text, nullable=False, unique=True, comment="hash of the secret"),
    Column("created_by", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("used", BigInteger, comment="NULL: not yet"),
    Column("used_by", Text, ForeignKey("gateways.gateway_id")),
    Column("withdrawn", BigInteger),
)
