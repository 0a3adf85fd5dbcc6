"""The platform's own authority, gateways and enrolment tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_gateways"
down_revision = "0001_objects"
branch_labels = None
depends_on = None


def _text(name: str, comment: str | None = None, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null, comment=comment)


def _number(name: str, comment: str | None = None, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null, comment=comment)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "authority",
        sa.Column("one", sa.Integer(), nullable=False, autoincrement=False),
        _text("certificate", "PEM"),
        sa.Column(
            "wrapped_key",
            sa.LargeBinary(),
            nullable=False,
            comment="the P-256 scalar under the master key, RFC 3394",
        ),
        _number("created"),
        sa.PrimaryKeyConstraint("one", name="pk_authority"),
        sa.CheckConstraint("one = 1", name=op.f("ck_authority_one_row")),
    )
    op.create_table(
        "gateways",
        _text("gateway_id", "16 hexadecimal digits; certificates carry it"),
        _text("tenant"),
        _text("name", "[A-Za-z0-9][A-Za-z0-9._-]{0,62}"),
        sa.Column(
            "epoch",
            sa.Integer(),
            nullable=False,
            comment="which enrolment is in force, from 1; older ones are fenced",
        ),
        _text("state", "enrolled or revoked"),
        _number("enrolled", "when the epoch began"),
        _number("expires", "of the latest certificate"),
        _number("last_seen", null=True),
        sa.PrimaryKeyConstraint("gateway_id", name="pk_gateways"),
        sa.ForeignKeyConstraint(["tenant"], ["institutions.name"], name="fk_gateways_tenant"),
        sa.UniqueConstraint("tenant", "name", name="uq_gateways_tenant_name"),
    )
    op.create_table(
        "gateway_tokens",
        _text("token_id", "8 hexadecimal digits, for people"),
        _text("tenant"),
        _text("gateway", "the name that it is for; empty leaves it to the request"),
        _text("digest", "hash of the secret"),
        _text("created_by"),
        _number("created"),
        _number("expires"),
        _number("used", "NULL: not yet", null=True),
        _text("used_by", null=True),
        _number("withdrawn", null=True),
        sa.PrimaryKeyConstraint("token_id", name="pk_gateway_tokens"),
        sa.ForeignKeyConstraint(["tenant"], ["institutions.name"], name="fk_gateway_tokens_tenant"),
        sa.ForeignKeyConstraint(["used_by"], ["gateways.gateway_id"], name="fk_gateway_tokens_used_by"),
        sa.UniqueConstraint("digest", name="uq_gateway_tokens_digest"),
    )
