"""What follows from a verdict in the spool: release after a receipt, quarantine after a refusal.

One thread does it, which alone holds the ledger and the uploader's part of the budget: unlinking waits for
the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from engine import log
from engine.errors import Refusal, SpoolError
from engine.pseudonymize.telling import note_from_spool
from engine.spool.budget import Budget
from engine.spool.hints import HintOutbox
from engine.spool.layout import Spool, remove
from engine.spool.ledger import Ledger
from engine.spool.quarantine import quarantine
from engine.spool.release import Receipt, release_all
from engine.uploader.outgoing import Key

T = TypeVar("T")
_LOG = log.get("uploader")


class Settling:
    """Opened by `start`, ended by `stop`; the other methods may be called between the two."""

    def __init__(self, spool: Spool, max_bytes: int) -> None:
        self._spool, self._max_bytes = spool, max_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="settle")
        self._ledger: Ledger | None = None
        self._budget: Budget | None = None
        self._coordinator: HintOutbox | None = None

    async def start(self) -> None:
        """Open ledger, budget and hints. Raises SpoolError."""
        await self._do(self._open)

    async def stop(self) -> None:
        """Write what is left for the ledger, and close."""
        await self._do(self._close)
        self._thread.shutdown()

    async def release(self, delivered: list[tuple[Key, Receipt]], sent_at: float) -> None:
        """Delete objects of one request that have receipts; it was sent at `sent_at` (seconds since 1970).

        Safe to repeat.
        """
        await self._do(lambda: self._release(delivered, sent_at))

    async def quarantine(self, key: Key, reason: Refusal) -> None:
        """Put an object that the platform refuses for good into the quarantine."""
        await self._do(lambda: self._quarantine(key, reason))

    async def spoil(self, key: Key) -> None:
        """Remove a damaged plan and tell the coordinator, which has it made again."""
        await self._do(lambda: self._spoil(key))

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _open(self) -> None:
        self._ledger = Ledger.open(self._spool.ledger)
        self._budget = Budget.attach(self._spool.run, "uploader", self._max_bytes)
        self._coordinator = HintOutbox(self._spool.run, "coordinator")

    def _close(self) -> None:
        for held in (self._coordinator, self._ledger, self._budget):
            if held is not None:
                held.close()

    def _release(self, delivered: list[tuple[Key, Receipt]], sent_at: float) -> None:
        ledger = _held(self._ledger)
        self._tell_what_nobody_told(ledger, [key for key, _ in delivered])
        for key, _ in delivered:
            ledger.note("uploaded", key.identifier, at=sent_at)
        rows = [(key.pass_id, key.identifier, receipt) for key, receipt in delivered]
        release_all(self._spool, rows, budget=_held(self._budget), ledger=ledger)

    def _tell_what_nobody_told(self, ledger: Ledger, keys: list[Key]) -> None:
        """A coordinator may have died between an object's plan and its row in the ledger; its files say the same, and go now."""
        try:
            unknown = ledger.not_rewritten(key.identifier for key in keys)
        except SpoolError:
            return  # a full disk: the ledger cannot be opened now, and is not what an object waits for
        for key in keys:
            if key.identifier in unknown:
                note_from_spool(self._spool, ledger, key.pass_id, key.identifier)

    def _quarantine(self, key: Key, reason: Refusal) -> None:
        ledger = _held(self._ledger)
        original = self._spool.original(key.pass_id, key.identifier)
        quarantine(self._spool, ledger, _held(self._budget), original, key.identifier, reason, key.pass_id)
        ledger.flush()

    def _spoil(self, key: Key) -> None:
        if remove(self._spool.plan(key.pass_id, key.identifier)):
            _LOG.warning("plan-damaged", object=key.identifier)
        _held(self._coordinator).send([f"!{key.pass_id}/{key.identifier}"])


def _held(thing: T | None) -> T:
    if thing is None:
        raise SpoolError("uploader-order", "the settling thread was not started")
    return thing
