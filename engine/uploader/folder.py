"""A folder as destination: PATH/<hashed ID>/<study>/<series>/<object>.dcm, by new UIDs.

A file gets its name when all of it is durable and was read back from the disk with the digest of what was sent. A repeat finds the
file there and makes sure that it is the same.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from blake3 import blake3

from engine.config import FolderDestination
from engine.errors import PenstockError
from engine.spool.killpoint import reached
from engine.spool.layout import write_whole
from engine.spool.release import ReceiptKind
from engine.syncing import sync_folder
from engine.uploader.carrier import Load, LocalFault, Reply
from engine.uploader.outgoing import OutgoingObject
from engine.uploader.threads import Threads
from engine.uploader.trouble import Troubles
from engine.uploader.verdicts import Outcome, Verdict

_HASHED_ID = re.compile(r"[0-9a-f]{32}")
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_MOST_UID = 64
_READ_AT_ONCE = 1 << 20


def names_of(item: OutgoingObject) -> tuple[str, str, str, str] | None:
    """Hashed ID, study, series and object, each fit to be a file's name; None if one is not, which a plan never has."""
    uids = (item.study_instance_uid, item.series_instance_uid, item.sop_instance_uid)
    if not _HASHED_ID.fullmatch(item.hashed_id):
        return None
    if any(not _UID.fullmatch(uid) or len(uid) > _MOST_UID for uid in uids):
        return None
    return (item.hashed_id, *uids)


class _Withdrawn(Exception):
    """Nobody waits for this write any more."""


class FolderCarrier:
    """One object at a time for each writer, in a thread: writing waits for the disk."""

    receipt = ReceiptKind.FILE

    def __init__(self, settings: FolderDestination, troubles: Troubles) -> None:
        self._root = settings.path
        self._troubles = troubles
        self.load = Load(settings.writers, 1, 1)
        self._threads = Threads("folder", settings.writers)

    def renew(self) -> None:
        """See Carrier: there is nothing to read again."""

    async def close(self) -> None:
        """See Carrier."""
        self._threads.close()

    async def send(self, objects: Sequence[OutgoingObject]) -> Reply:
        """See Carrier."""
        verdicts = []
        for item in objects:
            writing = _Writing(self._root, item)
            try:
                verdicts.append(await self._threads.call(writing.run, writing.withdraw))
            except OSError as problem:
                return Reply(trouble=self._troubles.of_disk(problem))
        return Reply(verdicts, sent_at=time.time())


class _Writing:
    """One object on its way into the folder."""

    def __init__(self, root: Path, item: OutgoingObject) -> None:
        self._root, self._item = root, item
        self._withdrawn = False

    def withdraw(self) -> None:
        """From another thread: nobody waits for it any more."""
        self._withdrawn = True

    def run(self) -> Verdict:
        """Raises OSError as the destination's disk gives it, and LocalFault."""
        names = names_of(self._item)
        if names is None:
            return Verdict(Outcome.REFUSED, "unfit-name")
        folder = self._folder(names[:3])
        path = folder / f"{names[3]}.dcm"
        if path.exists():
            return self._compare(path)
        part = folder / f".{names[3]}.part"
        try:
            self._write(part)
            if not self._is_there(part, self._item.digest):
                part.unlink()
                return Verdict(Outcome.AGAIN, "digest-mismatch")
            reached("sent-before-receipt")
            part.rename(path)
        except (OSError, LocalFault, _Withdrawn):
            with suppress(OSError):  # the first fault is the one to tell
                part.unlink()
            raise
        sync_folder(folder)
        return Verdict(Outcome.RECEIPT)

    def _folder(self, names: tuple[str, ...]) -> Path:
        """Makes the folders that are missing, durably; the root must be there, or what is mounted on it is missing."""
        folder = self._root
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        for name in names:
            parent, folder = folder, folder / name
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            sync_folder(parent)
        return folder

    def _write(self, part: Path) -> None:
        with suppress(FileNotFoundError):  # of a process that died
            part.unlink()
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            pieces = self._item.chunks()
            while (piece := self._next(pieces)) is not None:
                if self._withdrawn:
                    raise _Withdrawn
                write_whole(descriptor, piece)
            os.fsync(descriptor)
            # What is read back shall come from the disk, as far as the kernel can be asked for that.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)

    def _next(self, pieces: Iterator[bytes]) -> bytes | None:
        """The next piece of the object. A fault here is one of the spool, not of the destination."""
        try:
            return next(pieces, None)
        except (OSError, PenstockError) as problem:
            raise LocalFault(self._item, problem) from problem

    def _compare(self, path: Path) -> Verdict:
        """The name is taken: by this object, if an earlier receipt was lost, or else by another, which is never overwritten."""
        pieces = self._item.chunks()
        while self._next(pieces) is not None:
            pass  # the digest is known when all was taken
        if not self._is_there(path, self._item.digest):
            return Verdict(Outcome.REFUSED, "other-digest")
        sync_folder(path.parent)
        return Verdict(Outcome.RECEIPT)

    @staticmethod
    def _is_there(path: Path, digest: str) -> bool:
        hasher = blake3()
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(descriptor)  # an earlier write may have ended before its sync
            while piece := os.read(descriptor, _READ_AT_ONCE):
                hasher.update(piece)
        finally:
            os.close(descriptor)
        return hasher.hexdigest() == digest
