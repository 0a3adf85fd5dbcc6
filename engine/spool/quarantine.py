"""Where an object goes that cannot be treated with certainty: the file untouched, and a JSON document that
says why.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import orjson

from engine.errors import PenstockError
from engine.spool.budget import Budget
from engine.spool.killpoint import reached
from engine.spool.layout import Spool, remove, write_whole
from engine.spool.ledger import Ledger
from engine.spool.release import unlink


def quarantine(
    spool: Spool,
    ledger: Ledger,
    budget: Budget,
    source: Path,
    identifier: str,
    reason: PenstockError,
    pass_id: str = "",
) -> bool:
    """Moves `source` (in received/ or in a pass) to the quarantine; False if it was moved or deleted before.

    The reason is durable first: an object in the quarantine always has one. Its bytes and those of the reason are
    counted in the budget, those of its plan no more."""
    told = orjson.dumps(
        {"id": identifier, "pass": pass_id, **reason.describe()},
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )
    document = spool.quarantine / f"{identifier}.json"
    temporary = document.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_whole(descriptor, told)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.rename(document)
    reached("refused-before-move")
    try:
        source.rename(spool.quarantine / f"{identifier}.dcm")
    except FileNotFoundError:
        if not (spool.quarantine / f"{identifier}.dcm").exists():
            remove(document)
        return False
    budget.add(len(told))
    if pass_id:
        budget.release(unlink(spool.plan(pass_id, identifier)))
    ledger.note("quarantined", identifier, reason=reason.code)
    return True


def sweep(spool: Spool) -> int:
    """Removes the reasons of objects that never came: steps cut short. How many there were."""
    removed = 0
    for path in list(spool.quarantine.iterdir()):
        if path.suffix in {".json", ".tmp"} and not path.with_suffix(".dcm").exists():
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                removed += 1
    return removed
