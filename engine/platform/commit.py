"""Objects become durable in groups: one thread takes all that requests handed in, syncs, and indexes them
together.

While the thread waits for the disk, more requests gather; so the syncs are shared when the platform is busy
and nothing waits when it is not.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from engine import log
from engine.errors import PenstockError, Refusal, SpoolError
from engine.platform.database.connection import database_error
from engine.platform.index import Index, IndexRow
from engine.platform.storage import ArrivingObject, Storage, storage_error
from engine.platform.writing import Writing

_LOG = log.get("platform")
_MOST_OBJECTS = 256


@dataclass(frozen=True, slots=True)
class Arrived:
    """An object whose bytes are all written, with the row that it shall have."""

    arriving: ArrivingObject
    row: IndexRow


@dataclass(frozen=True, slots=True)
class _Group:
    objects: Sequence[Arrived]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[list[IndexRow | Refusal]]


class Committer:
    """Owns the committing thread of one process. `failed` is set for good after a sync failed: pages that
    were not written may have been marked clean, so a repeat would lie; nothing is taken until the
    process is started again.
    """

    def __init__(self, storage: Storage, index: Index) -> None:
        self._storage, self._index = storage, index
        self._waiting: queue.SimpleQueue[_Group | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="commit", daemon=True)
        self.failed = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what was handed in, then end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def refusal(self) -> SpoolError:
        """What is said to whoever sends objects after a failed sync."""
        return SpoolError(
            "storage-failed",
            "an earlier sync of the storage failed",
            hint="look at the disk, then start the platform again",
            retryable=True,
        )

    async def commit(self, objects: Sequence[Arrived]) -> list[IndexRow | Refusal]:
        """Make objects durable and index them, in the order given.

        Returns, for each, its row (that of the earlier copy when the same bytes were there already), or a
        Refusal ("other-digest") when its SOP Instance UID is taken by other bytes. Raises SpoolError when
        the disk cannot; then none of the objects is stored.
        """
        loop = asyncio.get_running_loop()
        group = _Group(objects, loop, loop.create_future())
        self._waiting.put(group)
        return await asyncio.shield(group.done)

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            groups = [first]
            while sum(len(group.objects) for group in groups) < _MOST_OBJECTS:
                try:
                    another = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if another is None:
                    self._waiting.put(None)
                    break
                groups.append(another)
            self._commit_groups(groups)

    def _commit_groups(self, groups: list[_Group]) -> None:
        try:
            answers = self._store([item for group in groups for item in group.objects])
        except PenstockError as problem:
            _LOG.error("commit-failed", code=problem.code)
            for group in groups:
                _answer(group, problem)
            return
        except Exception as problem:  # noqa: BLE001 - the thread must live on to answer, and to refuse
            self.failed = True
            _LOG.error("commit-broken", kind=type(problem).__name__)
            for group in groups:
                _answer(group, SpoolError("storage-failed", "the commit of objects broke", retryable=True))
            return
        at = 0
        for group in groups:
            _answer(group, answers[at : at + len(group.objects)])
            at += len(group.objects)

    def _store(self, objects: list[Arrived]) -> list[IndexRow | Refusal]:
        try:
            if self.failed:
                raise self.refusal()
            self._sync(objects)
            with self._index.transaction() as writing:
                answers = self._judge(writing, objects)
        except SQLAlchemyError as problem:
            _abandon(objects)
            raise database_error(problem) from problem
        except BaseException:
            _abandon(objects)
            raise
        for item, answer in zip(objects, answers, strict=True):
            if answer is not item.row:
                _abandon([item])
                continue
            try:
                item.arriving.settle()
            except OSError as problem:  # it is stored and indexed all the same; the next start moves it
                _LOG.warning("move-failed", object=item.row.object_id, errno=problem.errno or 0)
        return answers

    def _sync(self, objects: list[Arrived]) -> None:
        try:
            self._storage.keep([item.arriving for item in objects])
        except OSError as problem:
            self.failed = True
            raise storage_error(problem) from problem

    def _judge(self, writing: Writing, objects: list[Arrived]) -> list[IndexRow | Refusal]:
        known = writing.find((item.row.tenant, item.row.sop_instance_uid) for item in objects)
        answers: list[IndexRow | Refusal] = []
        new: list[IndexRow] = []
        lost: list[IndexRow] = []
        for item in objects:
            key = item.row.tenant, item.row.sop_instance_uid
            before = known.get(key)
            if before is not None and self._storage.exists(before.object_id):
                same = before.digest == item.row.digest
                answers.append(
                    before
                    if same
                    else Refusal(
                        "other-digest", "another object with this SOP Instance UID is stored already"
                    )
                )
                continue
            if before is not None:
                lost.append(before)
            new.append(item.row)
            known[key] = item.row
            answers.append(item.row)
        writing.remove(lost)
        writing.add(new)
        return answers


def _answer(group: _Group, answer: list[IndexRow | Refusal] | PenstockError) -> None:
    def settle() -> None:
        if group.done.done():
            return
        if isinstance(answer, PenstockError):
            group.done.set_exception(answer)
        else:
            group.done.set_result(answer)

    group.loop.call_soon_threadsafe(settle)


def _abandon(objects: list[Arrived]) -> None:
    for item in objects:
        try:
            item.arriving.abandon()
        except SpoolError as problem:  # its file stays, and the next start removes both
            _LOG.warning("leftover-stays", object=item.row.object_id, code=problem.code)
