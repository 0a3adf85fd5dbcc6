"""The end of an object's way: its original is deleted because its destination gave a receipt for what we
sent.

Order: the receipt is in the ledger, then the original goes, then the plan, then the deletion is noted. Cut
short anywhere, the object is sent again (the platform knows it by UID and digest), or its plan is a leftover
that the next start removes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from engine.config.destinations import PLATFORM
from engine.errors import SpoolError
from engine.spool.budget import Budget
from engine.spool.killpoint import reached
from engine.spool.layout import Spool
from engine.spool.ledger import Ledger


class ReceiptKind(StrEnum):
    """What a destination can honestly say; docs/destinations.md tells what each is worth."""

    SIGNED = "signed"  # a Penstock platform's signature on the digest of what it stored
    ACCEPTED = "accepted"  # a STOW-RS server's 200 and reference, without a digest
    C_STORE = "c-store"  # an SCP's status Success, or a warning with which it stores
    FILE = "file"  # synced, and read back with the same digest
    S3 = "s3"  # every part's checksum was confirmed by the server, and the whole's size


@dataclass(frozen=True, slots=True)
class Receipt:
    """A destination's word that it has an object: BLAKE3 of the bytes that it is for (64 hex digits) and
    their number. `remark`: a warning that came with it, as Warning Reason (0008,1196) or status in four
    hexadecimal digits.
    """

    digest: str
    size: int
    kind: ReceiptKind = ReceiptKind.SIGNED
    destination: str = PLATFORM
    remark: str = ""


def release(
    spool: Spool, pass_id: str, identifier: str, receipt: Receipt, *, budget: Budget, ledger: Ledger
) -> None:
    """Deletes one object that was delivered. The caller has compared the digests. Safe to repeat."""
    release_all(spool, [(pass_id, identifier, receipt)], budget=budget, ledger=ledger)


def release_all(
    spool: Spool, delivered: list[tuple[str, str, Receipt]], *, budget: Budget, ledger: Ledger
) -> None:
    """The same for the objects (pass, id, receipt) of one request, with one write to the ledger before and
    one after.
    """
    for pass_id, identifier, receipt in delivered:
        told = f"{receipt.kind} {receipt.remark}".rstrip()
        ledger.note(
            "receipted",
            identifier,
            digest=receipt.digest,
            bytes_sent=receipt.size,
            pass_id=pass_id,
            receipt=told,
            destination=receipt.destination,
        )
    ledger.flush()
    reached("receipt-before-delete")
    for pass_id, identifier, _ in delivered:
        budget.release(_unlink(spool, pass_id, identifier))
        ledger.note("deleted", identifier)
    ledger.flush()


def _unlink(spool: Spool, pass_id: str, identifier: str) -> int:
    """Original first, then plan; the bytes that were freed. What is gone already was freed by another."""
    freed = unlink(spool.original(pass_id, identifier))
    reached("original-deleted-before-plan")
    return freed + unlink(spool.plan(pass_id, identifier))


def unlink(path: Path) -> int:
    """Unlinks a file; the bytes that this freed, 0 if it was gone."""
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return size


def settle(spool: Spool, ledger: Ledger) -> int:
    """Notes the deletions that a dead process did and could not tell of; how many."""
    told = 0
    try:
        rows = ledger.half_released()
    except SpoolError:
        return 0  # the disk is full: it stays as it is until the ledger can be opened
    for row in rows:
        if not spool.original(row.pass_id or "", row.id).exists():
            ledger.note("deleted", row.id)
            told += 1
    ledger.flush()
    return told
