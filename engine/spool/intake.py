"""The door of the spool: from the first byte of an object to its durable name in received/.

Invariants
    1. An object is acknowledged after: written → on its way to the disk to the end → renamed into received/ → fsync(received/).
       `writeback` says what the second step is: fdatasync, or less where the journal's order makes less enough.
    2. A few threads do the syncs, off the event loop, for all associations that are not alone. Each takes all that waits
       as one group; groups that sync at the same time share the file system's journal commits.
    3. A failed sync is never repeated: the kernel may have marked the pages clean (fsync(2), "fsyncgate"). The object is refused,
       and with it everything that follows: `broken` is true and stays so until another process takes over.
    4. What is not acknowledged leaves nothing behind: its temporary file is removed, its bytes are given back to the budget.
"""

from __future__ import annotations

import errno
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine import log
from engine.errors import SpoolError
from engine.spool.budget import Budget
from engine.spool.killpoint import reached
from engine.spool.layout import ORIGINAL, PART, Spool
from engine.spool.nursery import Nursery
from engine.spool.writeback import Writeback
from engine.syncing import sync_names

RESERVE = 1 << 20
GROUP = 64
THREADS = 4
AT_ONCE = 4 << 20
BEGIN = 128 << 10
EARLY = 32 << 20  # bytes
_FULL = {errno.ENOSPC: "disk-full", errno.EDQUOT: "quota-exceeded", errno.EIO: "disk-error"}
_LOG = log.get("intake")

Span = bytes | memoryview


class Incoming:
    """One object on its way in. `done(error)` is called on the intake's owner's thread when its fate is
    known; before that `check`, if there is one, on a commit thread: what it returns is that fate."""

    __slots__ = ("check", "done", "fd", "identifier", "reserved", "size", "started", "synced", "syncing")

    def __init__(self, identifier: str, fd: int) -> None:
        self.identifier = identifier
        self.fd = fd
        self.size = 0
        self.reserved = 0
        self.started = 0
        self.synced = 0
        self.syncing = False
        self.check: Callable[[], SpoolError | None] | None = None
        self.done: Callable[[SpoolError | None], None] = _nobody


def _nobody(_: SpoolError | None) -> None:
    raise AssertionError("committed without somebody to tell")


@dataclass(frozen=True, slots=True)
class Group:
    """What one commit did: the objects with their errors (None = durable), and the seconds that it took."""

    results: tuple[tuple[Incoming, SpoolError | None], ...]
    seconds: float


class Intake:
    """`begin`, `write`, `commit` and `discard` belong to one thread, the owner's. `tell(group)` is called
    on a commit thread and must bring the group to the owner's thread, which then calls `settle(group)`.
    `after(group)` is called there, when everybody in the group was told.

    `alone` is the owner's to set: nobody else would wait for this thread. Then small objects are committed
    on it, which saves two changes of thread, and their way to the disk begins while they come."""

    def __init__(
        self,
        spool: Spool,
        nursery: Nursery,
        budget: Budget,
        durability: str,
        tell: Callable[[Group], object],
        after: Callable[[Group], object],
    ) -> None:
        self._nursery = nursery
        self._budget = budget
        self._durable = durability == "fsync"
        self._tell = tell
        self._after = after
        self._writeback = Writeback(spool.received)
        self.alone = False
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        self._incoming = os.open(spool.incoming, flags)
        self._received = os.open(spool.received, flags)
        self._folder = spool.received
        self._queue: queue.SimpleQueue[Incoming | None] = queue.SimpleQueue()
        self._early: queue.SimpleQueue[tuple[Incoming, int] | None] = queue.SimpleQueue()
        self.broken = False
        self._threads: list[threading.Thread] = []
        if self._durable:
            self._threads = [
                threading.Thread(target=self._commit_groups, daemon=True) for _ in range(THREADS)
            ]
            self._threads.append(threading.Thread(target=self._sync_early, daemon=True))
            for thread in self._threads:
                thread.start()
        else:
            _LOG.warning("durability-flush-acknowledged-objects-do-not-survive-a-power-cut")

    def begin(self, identifier: str) -> Incoming:
        """A new temporary file. SpoolError if it cannot be made, or the budget has no room."""
        if self.broken:
            raise SpoolError("spool-broken", "a sync failed, nothing more is taken", retryable=True)
        if not self._budget.reserve(RESERVE):
            raise SpoolError("spool-full", "the spool's budget is used up", retryable=True)
        try:
            fd = self._nursery.create(identifier + PART, self._incoming)
        except OSError as error:
            self._budget.release(RESERVE)
            raise _spool_error(error) from error
        incoming = Incoming(identifier, fd)
        incoming.reserved = RESERVE
        return incoming

    def write(self, incoming: Incoming, spans: Sequence[Span], size: int) -> None:
        """Appends the spans, `size` bytes in all. After a SpoolError only `discard` may follow."""
        incoming.size += size
        short = incoming.size - incoming.reserved
        if short > 0:
            if incoming.size > self._budget.max_bytes:
                raise SpoolError("object-too-large", "the object is larger than the whole spool may be")
            more = -(-short // RESERVE) * RESERVE
            if not self._budget.reserve(more):
                raise SpoolError("spool-full", "the spool's budget is used up", retryable=True)
            incoming.reserved += more
        try:
            written = os.writev(incoming.fd, spans)
            if written != size:
                self._write_rest(incoming.fd, spans, written)
            if self._durable and self.alone and incoming.size - incoming.started >= BEGIN:
                self._writeback.begin(incoming.fd, incoming.started, incoming.size - incoming.started)
                incoming.started = incoming.size
            if self._durable and incoming.size - incoming.synced >= EARLY and not incoming.syncing:
                incoming.synced, incoming.syncing = incoming.size, True
                self._early.put((incoming, os.dup(incoming.fd)))
        except OSError as error:
            raise _spool_error(error) from error

    def commit(self, incoming: Incoming) -> None:
        """Makes the object durable and names it; `incoming.done` is called later. With durability "flush",
        or when its association is alone, it is called at once."""
        self._budget.release(incoming.reserved - incoming.size)
        incoming.reserved = incoming.size
        if self._durable and not (self.alone and incoming.size <= AT_ONCE):
            self._queue.put(incoming)
            return
        began = time.monotonic()
        if self._durable:
            (error,) = self._commit([incoming], self._received)
        else:
            error = self._checked(incoming)
            os.close(incoming.fd)
            error = error or self._rename(incoming)
        self.settle(Group(((incoming, error),), time.monotonic() - began))

    def prepare(self) -> None:
        """Does ahead what the next object would wait for. On the owner's thread, when everybody has his answer."""
        if self.alone and not self.broken:
            self._nursery.prepare()

    def settle(self, group: Group) -> None:
        """On the owner's thread: gives back what was refused, and tells everybody who waits."""
        for incoming, error in group.results:
            if error is not None:
                self._budget.release(incoming.reserved)
            incoming.done(error)
        self._after(group)

    def discard(self, incoming: Incoming) -> None:
        """Removes an object that will not be committed."""
        os.close(incoming.fd)
        self._budget.release(incoming.reserved)
        self._unlink(incoming)

    def close(self) -> None:
        """Commits what is queued, then ends. `tell` may be called until this returns."""
        self._early.put(None)
        for _ in range(THREADS):
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._nursery.close()
        os.close(self._incoming)
        os.close(self._received)

    def _sync_early(self) -> None:
        """Syncs long objects while they still come, so that the answer need not wait for gigabytes at the
        end."""
        while (item := self._early.get()) is not None:
            incoming, fd = item
            try:
                os.fdatasync(fd)
            except OSError as error:
                self._break(error)  # the kernel tells it once, so the sync at the end may not hear of it
            finally:
                os.close(fd)
            incoming.syncing = False

    def _commit_groups(self) -> None:
        # A descriptor of its own, because the kernel tells an error of the folder once to each (errseq).
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            last = False
            while not last and (first := self._queue.get()) is not None:
                group, last = self._gather(first)
                began = time.monotonic()
                errors = self._commit(group, folder)
                self._tell(Group(tuple(zip(group, errors, strict=True)), time.monotonic() - began))
        finally:
            os.close(folder)

    def _gather(self, first: Incoming) -> tuple[list[Incoming], bool]:
        """Everything that waits, up to GROUP; and whether the end was among it."""
        group = [first]
        while len(group) < GROUP:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return group, True
            group.append(more)
        return group, False

    def _commit(self, group: list[Incoming], folder: int) -> list[SpoolError | None]:
        if len(group) > 1:
            for incoming in group:
                self._writeback.begin(incoming.fd, 0, 0)
        errors: list[SpoolError | None] = [self._sync(incoming) for incoming in group]
        for index, incoming in enumerate(group):
            if errors[index] is None:
                errors[index] = self._rename(incoming)
        if any(error is None for error in errors):
            try:
                sync_names(folder)
            except OSError as error:
                failure = self._break(error)
                # Not acknowledged, yet it may be found in received/ later: a second copy, never a lost one.
                errors = [error or failure for error in errors]
        reached("received-before-answer")
        return errors

    def _sync(self, incoming: Incoming) -> SpoolError | None:
        try:
            try:
                if self.broken:
                    raise OSError(errno.EIO, "an earlier sync failed")
                if (refused := self._checked(incoming)) is not None:
                    return refused
                self._writeback.finish(incoming.fd)
            finally:
                os.close(incoming.fd)
        except OSError as error:
            self._unlink(incoming)
            return self._break(error)
        return None

    def _checked(self, incoming: Incoming) -> SpoolError | None:
        if incoming.check is None:
            return None
        try:
            refused = incoming.check()
        except OSError as error:
            refused = _spool_error(error)
        if refused is not None:
            self._unlink(incoming)
        return refused

    def _rename(self, incoming: Incoming) -> SpoolError | None:
        try:
            os.rename(
                incoming.identifier + PART,
                incoming.identifier + ORIGINAL,
                src_dir_fd=self._incoming,
                dst_dir_fd=self._received,
            )
        except OSError as error:
            self._unlink(incoming)
            return _spool_error(error)
        return None

    def _break(self, error: OSError) -> SpoolError:
        if not self.broken:
            self.broken = True
            _LOG.failure("sync-failed-nothing-more-is-accepted", error)
        return SpoolError("sync-failed", "the disk did not confirm the object", retryable=True)

    def _unlink(self, incoming: Incoming) -> None:
        try:
            os.unlink(incoming.identifier + PART, dir_fd=self._incoming)
        except OSError as error:
            # It is not acknowledged, so it does no harm there: the next start removes it.
            _LOG.failure("temporary-file-not-removed", error, object=incoming.identifier)

    @staticmethod
    def _write_rest(fd: int, spans: Sequence[Span], written: int) -> None:
        """After a short write: the rest one by one, which meets the reason for it."""
        for span in spans:
            if written >= len(span):
                written -= len(span)
                continue
            view = memoryview(span)[written:]
            written = 0
            while view:
                view = view[os.write(fd, view) :]


def _spool_error(error: OSError) -> SpoolError:
    code = _FULL.get(error.errno or 0, "spool-write-failed")
    return SpoolError(
        code, f"the spool could not take an object: {os.strerror(error.errno or 0)}", retryable=True
    )
