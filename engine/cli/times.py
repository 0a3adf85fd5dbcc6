"""Points in time as commands show them: in UTC, which is what logs and the audit trail say too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

MICRO: Final = 1_000_000  # the platform's tables count microseconds since 1970


def minute(micros: int) -> str:
    """`2026-01-31 12:34 UTC`."""
    return datetime.fromtimestamp(micros / MICRO, UTC).strftime("%Y-%m-%d %H:%M UTC")


def second(micros: int) -> str:
    """`2026-01-31 12:34:56`, for columns whose heading says that it is UTC."""
    return datetime.fromtimestamp(micros / MICRO, UTC).strftime("%Y-%m-%d %H:%M:%S")
