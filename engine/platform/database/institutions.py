"""The table of institutions. The name is the tenant everywhere."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from engine.platform.database.metadata import METADATA

INSTITUTIONS = Table(
    "institutions",
    METADATA,
    Column("name", Text, primary_key=True, comment="[a-z0-9-]{1,63}"),
    Column("title", Text, nullable=False, comment="what people call it"),
    Column("created", BigInteger, nullable=False, comment="microseconds since 1970"),
)
