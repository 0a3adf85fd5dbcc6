"""What is planned and not delivered yet: the uploader is told of it, and when there is too much of it the pool pauses.

Backpressure begins here. While the platform is slow or away the outbox fills; workers pause, so what comes in stays in
its passes; the spool fills up to its high-water mark, and the receiver turns associations away. When the platform takes
again, each step opens by itself in the other order."""

from __future__ import annotations

import os
from typing import Final

from engine import log
from engine.spool.hints import HintOutbox
from engine.spool.layout import PLAN, Spool
from engine.spool.states import passes

LOW: Final = 0.7  # of the most: where the pool goes on
MOST_HINTS: Final = 10_000  # words that wait for a busy uploader; those before them it finds by its own scan
_LOG: Final = log.get("coordinator")


class Outbox:
    """`most` objects may wait before the pool pauses. The count is an estimate that is never too low: it is put right by
    a scan when it matters."""

    def __init__(self, spool: Spool, uploader: HintOutbox, most: int) -> None:
        self._spool = spool
        self._uploader = uploader
        self._most = most
        self._told = 0  # of the words that are handed in again and again, how many are counted
        self.full = False
        self.objects = self._scan()

    def tell(self, ready: list[str]) -> None:
        """Hands the words "<pass>/<id>" to the uploader; those that it has no room for stay in the list."""
        self.objects += len(ready) - self._told
        del ready[: self._uploader.offer(ready)]
        del ready[: max(len(ready) - MOST_HINTS, 0)]
        self._told = len(ready)

    def look(self) -> None:
        """Counts again if it is needed, and decides whether the pool pauses. Call every second or two."""
        if self.full or self.objects >= self._most // 2:
            self.objects = self._scan()
        self.judge()

    def judge(self) -> bool:
        """Whether the pool pauses."""
        was = self.full
        self.full = self.objects >= (self._most * LOW if was else self._most)
        if self.full != was:
            _LOG.warning(
                "outbox-full-workers-pause" if self.full else "outbox-drained-workers-go-on",
                objects=self.objects,
            )
        return self.full

    def _scan(self) -> int:
        """The plans of all passes."""
        count = 0
        for pass_id in passes(self._spool):
            try:
                with os.scandir(self._spool.folder_of(pass_id) / "out") as entries:
                    count += sum(entry.name.endswith(PLAN) for entry in entries)
            except FileNotFoundError:
                continue  # it ended meanwhile
        return count
