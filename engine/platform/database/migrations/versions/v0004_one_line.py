"""Joins the lines of the migrations: from here on each follows the one before."""

from __future__ import annotations

revision = "0004_one_line"
down_revision = ("0002_people", "0003_gateways")
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing: it has two parents, and that is all."""
