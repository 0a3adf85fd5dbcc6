"""What the ledger is told of a plan: under which names an object goes on."""

from __future__ import annotations

from typing import Protocol

from engine.errors import SpoolError
from engine.pseudonymize import sidecar
from engine.spool.layout import Spool
from engine.spool.ledger import Ledger


class NewNames(Protocol):
    """What the ledger knows an object by, as plans and workers' answers have it: new UIDs and the hashed ID."""

    @property
    def hashed_id(self) -> str: ...
    @property
    def study_instance_uid(self) -> str: ...
    @property
    def series_instance_uid(self) -> str: ...
    @property
    def sop_instance_uid(self) -> str: ...
    @property
    def sop_class_uid(self) -> str: ...


def note_rewritten(
    ledger: Ledger, pass_id: str, identifier: str, told: NewNames, at: float | None = None
) -> None:
    """`at` is seconds since 1970, now if None."""
    ledger.note(
        "rewritten",
        identifier,
        at,
        pass_id=pass_id,
        hashed_id=told.hashed_id,
        study=told.study_instance_uid,
        series=told.series_instance_uid,
        sop=told.sop_instance_uid,
        sop_class=told.sop_class_uid,
    )


def note_from_spool(spool: Spool, ledger: Ledger, pass_id: str, identifier: str) -> None:
    """Notes that an object was received and rewritten, by its two files: for who should have told has died before it could.

    Nothing is noted of an object that is gone, or whose plan is damaged and will be made again.
    """
    path = spool.plan(pass_id, identifier)
    try:
        plan = sidecar.decode(path.read_bytes()).plan
        received, rewritten = spool.original(pass_id, identifier).stat(), path.stat()
    except (SpoolError, FileNotFoundError):
        return
    ledger.note("received", identifier, at=received.st_mtime, bytes_received=received.st_size)
    note_rewritten(ledger, pass_id, identifier, plan, at=rewritten.st_mtime)
