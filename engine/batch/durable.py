"""Makes outputs durable: syncfs(2) puts all that was written to one file system on its disk, in one call.

The outputs of a run are many and small. An fsync for each would cost more than the rewriting; one syncfs for
all of them at a checkpoint costs what the disk needs."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import threading
import time
from multiprocessing.context import ForkProcess

from engine.batch.journal import Journal

EVERY = 60.0  # seconds between checkpoints


def sync_filesystem(descriptor: int) -> None:
    """Returns when all data and names on the file system of `descriptor` are durable; OSError if that failed.

    Takes as long as the disk takes: seconds, after a burst of writing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(ctypes.c_int(descriptor)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class SyncingThread:
    """The waiting in a thread, with the members of a process that are used here."""

    def __init__(self, descriptor: int) -> None:
        self.exitcode: int | None = None
        self._descriptor = descriptor
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
        self.start, self.join = self._thread.start, self._thread.join

    def close(self) -> None:
        """Nothing is held."""

    def _run(self) -> None:
        try:
            sync_filesystem(self._descriptor)
        except OSError:
            self.exitcode = 1
        else:
            self.exitcode = 0


def _process(descriptor: int) -> ForkProcess:
    return multiprocessing.get_context("fork").Process(
        target=sync_filesystem, args=(descriptor,), daemon=True
    )


class Checkpoints:
    """Sets a checkpoint into the journal every `every` seconds. The waiting for the disk is done by a process
    of its own, so that the workers are fed meanwhile; by a thread if `forks` is False. `out` is a descriptor of the
    output folder."""

    def __init__(self, out: int, journal: Journal, every: float = EVERY, *, forks: bool = True) -> None:
        self._make = _process if forks else SyncingThread
        self._out = out
        self._journal = journal
        self._every = every
        self._due = time.monotonic() + every
        self._position = 0
        self._syncing: ForkProcess | SyncingThread | None = None

    def poll(self) -> None:
        """Call it often. OSError if the journal cannot be written; a sync that fails sets no checkpoint, and
        the one at the end of the run tells."""
        if self._syncing is not None:
            if self._syncing.exitcode is None:
                return
            if self._syncing.exitcode == 0:
                self._journal.checkpoint(self._position)
            self._syncing.close()
            self._syncing = None
            self._due = time.monotonic() + self._every
        elif time.monotonic() >= self._due:
            self._position = self._journal.size
            self._syncing = self._make(self._out)
            self._syncing.start()

    def last(self) -> None:
        """Syncs here and now and sets the checkpoint. OSError if either fails."""
        self.close()
        sync_filesystem(self._out)
        self._journal.checkpoint(self._journal.size)

    def close(self) -> None:
        """Waits for a sync that is under way; it cannot be hurried."""
        if self._syncing is not None:
            self._syncing.join()
            self._syncing.close()
            self._syncing = None
