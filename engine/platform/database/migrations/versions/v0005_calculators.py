"""Calculators at gateways, and the sign-ins that they ask the platform for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_calculators"
down_revision = "0004_one_line"
branch_labels = None
depends_on = None


def _text(name: str, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, comment=comment)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "calculators",
        _text("gateway_id"),
        _text("tenant"),
        _text("url", "https://HOST[:PORT]; the only place a code is ever sent to"),
        _number("announced"),
        sa.PrimaryKeyConstraint("gateway_id", name="pk_calculators"),
        sa.ForeignKeyConstraint(["gateway_id"], ["gateways.gateway_id"], name="fk_calculators_gateway_id"),
    )
    op.create_table(
        "calculator_codes",
        _text("code", "SHA-256"),
        _text("gateway_id"),
        _text("account_id"),
        _text("challenge", "SHA-256 of the gateway's verifier, base64url"),
        _number("expires"),
        sa.PrimaryKeyConstraint("code", name="pk_calculator_codes"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_calculator_codes_account_id"
        ),
    )
    op.create_table(
        "calculator_tickets",
        _text("ticket", "SHA-256"),
        _text("gateway_id"),
        _text("account_id"),
        _number("expires"),
        sa.PrimaryKeyConstraint("ticket", name="pk_calculator_tickets"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_calculator_tickets_account_id"
        ),
    )
    op.create_index("ix_calculator_tickets_account", "calculator_tickets", ["account_id"])
