"""Gateways and tokens as people and routes see them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Row


class GatewayState(StrEnum):
    ENROLLED = "enrolled"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Gateway:
    """Times are microseconds since 1970; `expires` is that of the latest certificate, `enrolled` of the epoch's begin."""

    gateway_id: str
    tenant: str
    name: str
    epoch: int
    state: GatewayState
    enrolled: int
    expires: int
    last_seen: int | None


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token without its secret. `state`: open, used, withdrawn or expired. Times are microseconds since 1970."""

    token_id: str
    tenant: str
    gateway: str
    created_by: str
    created: int
    expires: int
    used: int | None
    used_by: str | None
    withdrawn: int | None
    state: str


def gateway_of(row: Row[tuple[object, ...]]) -> Gateway:
    """From a row of the table."""
    return Gateway(
        row.gateway_id,
        row.tenant,
        row.name,
        row.epoch,
        GatewayState(row.state),
        row.enrolled,
        row.expires,
        row.last_seen,
    )


def token_of(row: Row[tuple[object, ...]], now: int) -> TokenRow:
    """From a row of the table; `now` in microseconds since 1970."""
    if row.used is not None:
        state = "used"
    elif row.withdrawn is not None:
        state = "withdrawn"
    else:
        state = "open" if row.expires > now else "expired"
    return TokenRow(
        row.token_id,
        row.tenant,
        row.gateway,
        row.created_by,
        row.created,
        row.expires,
        row.used,
        row.used_by,
        row.withdrawn,
        state,
    )
