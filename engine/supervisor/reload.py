"""What a changed configuration asks of a running gateway."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from engine.config import GatewayConfig
from engine.errors import ConfigError
from engine.supervisor.roles import Role, role, roles_of

FIXED = ("spool", "metrics")


@dataclass(frozen=True, slots=True)
class Change:
    """`restart`: the roles that have to read the configuration anew, in the order in which they are drained.
    `workers`: the new number of workers, which needs no restart; None if it is the old one."""

    restart: tuple[Role, ...]
    workers: int | None


def difference(old: GatewayConfig, new: GatewayConfig) -> Change:
    """Raises ConfigError for what cannot change under a running gateway."""
    for name in FIXED:
        if getattr(new, name) != getattr(old, name):
            raise ConfigError(
                "needs-restart",
                f"[{name}] cannot change under a running gateway",
                hint="restart it: systemctl restart penstock",
            )
    if (new.enrolment is None) != (old.enrolment is None):
        raise ConfigError(
            "needs-restart",
            "[enrolment] cannot come or go under a running gateway",
            hint="restart it: systemctl restart penstock",
        )
    workers = new.pool.workers if new.pool.workers != old.pool.workers else None
    same_pool = msgspec.structs.replace(new.pool, workers=old.pool.workers)
    compared = msgspec.structs.replace(new, pool=same_pool)
    changed = tuple(
        one
        for one in roles_of(new)
        if any(getattr(compared, name) != getattr(old, name) for name in one.sections)
    )
    if not changed and workers is None:
        # Nothing changed: the files that it names may have, as a renewed certificate.
        return Change((role("uploader"),), None)
    return Change(changed, workers)
