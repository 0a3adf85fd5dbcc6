"""STOW-RS (PS3.18 10.5): a request's objects are encrypted as they arrive and committed together.

All of a request is stored, or all but what is refused for itself; a request that breaks off leaves nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Self

from engine import log
from engine.errors import Refusal, TransportError
from engine.platform.commit import Arrived, Committer
from engine.platform.index import IndexRow
from engine.platform.keys import MasterKey
from engine.platform.multipart_related import DICOM, Event, PartBegins, PartEnds, RelatedParser
from engine.platform.receipts import Failure
from engine.platform.storage import ArrivingObject, Storage
from engine.platform.tls import Peer

IDLE_SECONDS = 60.0
MOST_OBJECT_BYTES = 1 << 40
_LOG = log.get("platform")


class Intake:
    """The objects of one request. Use as a context: what was not committed at its end is removed."""

    def __init__(self, storage: Storage, master: MasterKey, peer: Peer, study: str | None) -> None:
        self._storage, self._master, self._peer, self._study = storage, master, peer, study
        self._current: ArrivingObject | None = None
        self._arrived: list[Arrived] = []
        self.failures: list[Failure] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop_current()
        for item in self._arrived:
            item.arriving.abandon()

    def take(self, event: Event) -> None:
        """One event of the parser. Raises SpoolError when the disk cannot take it.

        Writes to the page cache, on purpose in the event loop: handing each piece to a thread costs more than
        encrypting and copying it. The waits for the disk are in the committing thread.
        """
        try:
            if isinstance(event, PartBegins):
                self._begin(event)
            elif isinstance(event, PartEnds):
                self._end()
            elif self._current is not None:
                self._current.write(event)
        except Refusal as refusal:
            self._fail(Failure(refusal))

    async def commit(self, committer: Committer) -> list[IndexRow]:
        """Store what arrived; the rows of what is stored now. What is refused joins `failures`."""
        arrived, self._arrived = self._arrived, []
        if not arrived:
            return []
        stored = []
        answers = await committer.commit(arrived)
        for item, answer in zip(arrived, answers, strict=True):
            if isinstance(answer, Refusal):
                self._fail(Failure(answer, item.row.sop_class_uid, item.row.sop_instance_uid))
            else:
                stored.append(answer)
        return stored

    def _begin(self, part: PartBegins) -> None:
        if part.content_type.lower() != DICOM:
            raise Refusal("content-type", f"a part must be of type {DICOM}")
        self._current = ArrivingObject(self._storage, self._master, self._peer.tenant, self._peer.fingerprint)

    def _end(self) -> None:
        if self._current is None:
            return
        arriving = self._current
        row = arriving.finish(received=time.time_ns() // 1000)
        if self._study is not None and row.study_instance_uid != self._study:
            self._drop_current()
            refusal = Refusal("other-study", "the object belongs to another study than the request")
            self._fail(Failure(refusal, row.sop_class_uid, row.sop_instance_uid))
            return
        self._current = None
        self._arrived.append(Arrived(arriving, row))

    def _fail(self, failure: Failure) -> None:
        self._drop_current()
        self.failures.append(failure)
        refusal = failure.refusal
        _LOG.warning("object-refused", code=refusal.code, sender=self._peer.fingerprint[:16])

    def _drop_current(self) -> None:
        if self._current is not None:
            self._current.abandon()
            self._current = None


async def receive(body: AsyncIterator[bytes], content_type: str, intake: Intake) -> None:
    """Take a request's body to its end.

    Raises Refusal ("content-type", "multipart") when it is not multipart/related or not whole, SpoolError
    when the disk cannot take it, TransportError ("idle") when nothing arrives for IDLE_SECONDS.
    """
    parser = RelatedParser(content_type, MOST_OBJECT_BYTES)
    now = asyncio.get_running_loop().time
    moved = now()
    try:
        async with asyncio.timeout(IDLE_SECONDS) as limit:
            async for piece in body:
                for event in parser.feed(piece):
                    intake.take(event)
                if now() - moved > IDLE_SECONDS / 60:  # a timer for each piece would cost more than the piece
                    moved = now()
                    limit.reschedule(moved + IDLE_SECONDS)
    except TimeoutError as problem:
        raise TransportError("idle", f"no byte of the request for {IDLE_SECONDS:g} s") from problem
    parser.finish()
