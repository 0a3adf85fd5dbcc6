"""How much of what a spool holds, for people: counted from the folders, with what the ledger adds."""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from dataclasses import dataclass, field

import orjson

from engine.spool.layout import Spool
from engine.spool.states import State, observe, passes


@dataclass(slots=True)
class Inventory:
    """Objects and bytes by state, passes by whether they are sealed, quarantined objects by reason code."""

    objects: Counter[State] = field(default_factory=Counter)
    bytes: Counter[State] = field(default_factory=Counter)
    passes_open: int = 0
    passes_sealed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def total_bytes(self) -> int:
        return sum(self.bytes.values())


def take(spool: Spool) -> Inventory:
    """Counts. The gateway may be at work meanwhile, so sums may be off by what moved."""
    found = Inventory()
    for seen in observe(spool):
        found.objects[seen.state] += 1
        found.bytes[seen.state] += seen.size
        if seen.state is State.QUARANTINED:
            found.reasons[reason_of(spool, seen.identifier)] += 1
    for pass_id in passes(spool):
        if spool.key(pass_id).exists():
            found.passes_open += 1
        else:
            found.passes_sealed += 1
    return found


def reason_of(spool: Spool, identifier: str) -> str:
    """The code for which an object was quarantined; "unknown" if its document is missing or damaged."""
    try:
        told = orjson.loads((spool.quarantine / f"{identifier}.json").read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return "unknown"
    return str(told["code"])


def is_running(spool: Spool) -> bool:
    """Whether a gateway holds the spool."""
    try:
        descriptor = os.open(spool.root / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
