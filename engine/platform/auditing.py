"""Rows of the audit trail about requests: who asked is what the gate found out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.requests import Request

from engine.platform.audit.actor import Outcome

if TYPE_CHECKING:
    from engine.platform.parts import Platform


async def record(
    platform: Platform,
    request: Request,
    event: str,
    subject: str = "",
    detail: Mapping[str, str | int] | None = None,
    *,
    outcome: Outcome = "success",
) -> None:
    """Adds a row, durably, before what it tells of is answered."""
    who = request.state.who
    await asyncio.to_thread(
        platform.audit.record,
        event,
        actor=who.actor,
        tenant=who.tenant,
        outcome=outcome,
        subject=subject,
        detail=detail,
    )
