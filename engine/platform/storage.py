"""Where objects lie, and what survives a crash.

    STORAGE/  0700   lock · platform.sqlite · signing-key 0600 · nursery/<process>/ (see engine.spool.nursery)
                     incoming/<object id> · objects/<xx>/<object id>

An object is written to `incoming` under a random object id, made durable there, and then indexed; the row
is what makes it an object. Only then is it moved to `objects`, and only then is its receipt sent. So at a
start a file in `incoming` with a row is moved, and one without a row was never receipted and is removed.
The move needs no sync, since both places are looked at. With a bucket (engine.platform.bucket) an object is
uploaded before it is indexed, and its file in `incoming` is removed instead of moved.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigError, PenstockError, SpoolError
from engine.platform.description import Description, DescriptionReader
from engine.platform.encryption import EncryptedWriter, FileSource, Source
from engine.platform.index import Index, IndexRow
from engine.platform.keys import KEY_BYTES, MasterKey
from engine.spool.nursery import Nursery
from engine.spool.writeback import Writeback
from engine.syncing import sync_folder

if TYPE_CHECKING:
    from engine.platform.bucket import Bucket

_FULL = {errno.ENOSPC, errno.EDQUOT}


class Storage:
    """The folders of one platform. Several processes may hold the same one."""

    def __init__(self, root: Path, bucket: Bucket | None = None) -> None:
        self.root, self.bucket = root, bucket
        self.incoming = root / "incoming"
        self.objects = root / "objects"
        self._birth: tuple[Nursery, int] | None = None
        self._writeback: Writeback | None = None

    @classmethod
    def open(cls, root: Path, bucket: Bucket | None = None) -> Storage:
        """Make what is missing. With a `bucket` new objects go there; those in the folder are found all the same.

        Raises ConfigError when the folder cannot be made or used.
        """
        storage = cls(root, bucket)
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            storage.incoming.mkdir(mode=0o700, exist_ok=True)
            for number in range(256):
                (storage.objects / f"{number:02x}").mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (storage.objects, root):
                sync_folder(folder)
        except OSError as problem:
            raise ConfigError(
                "storage-unusable",
                f"cannot use the storage folder {root}: {problem.strerror}",
                hint="it must be a folder that this user may write to, with space left",
            ) from problem
        return storage

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the storage for one platform and its processes. Raises ConfigError when another one has it.

        Processes that were forked inside hold it too, so no second platform recovers under the feet of a
        survivor.
        """
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as problem:
                raise ConfigError(
                    "storage-in-use",
                    f"another platform is running on the storage {self.root}",
                    hint="stop it first, or give this one a platform.storage of its own",
                ) from problem
            yield
        finally:
            os.close(descriptor)

    def recover(self, index: Index) -> tuple[int, int]:
        """Finish or undo what a crash interrupted; call it before any process serves.

        Returns how many objects were moved and how many leftovers removed.
        """
        shutil.rmtree(self.root / "nursery", ignore_errors=True)
        found = {path.name: path for path in self.incoming.iterdir()}
        indexed = index.holds(found.keys())
        for name, path in found.items():
            if name not in indexed:
                if self.bucket is not None:
                    self.bucket.remove(name)
                path.unlink()
            elif self.bucket is not None and self.bucket.has(name):
                path.unlink()
            else:
                path.rename(self.final_path(name))
        return len(indexed), len(found) - len(indexed)

    def create(self, object_id: str) -> int:
        """A new file in `incoming`, open for writing. Called by one thread of each serving process. Raises OSError."""
        if self._birth is None:
            folder = os.open(self.incoming, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._birth = Nursery(self.root, str(os.getpid())), folder
        nursery, folder = self._birth
        return nursery.create(object_id, folder)

    def close(self) -> None:
        """Give up what `create` holds."""
        if self._birth is not None:
            nursery, folder = self._birth
            self._birth = None
            nursery.close()
            os.close(folder)

    def final_path(self, object_id: str) -> Path:
        """Where an indexed object lies. `object_id` is made by us: hexadecimal digits."""
        return self.objects / object_id[:2] / object_id

    def exists(self, object_id: str) -> bool:
        """Whether the bytes of an indexed object are there. Raises SpoolError when the bucket does not say."""
        if self.final_path(object_id).exists() or (self.incoming / object_id).exists():
            return True
        return self.bucket is not None and self.bucket.has(object_id)

    def open_object(self, object_id: str) -> Source:
        """An object to be read. Raises SpoolError("object-missing", "bucket-failed")."""
        for path in (self.final_path(object_id), self.incoming / object_id, self.final_path(object_id)):
            with suppress(FileNotFoundError):  # it may be moved between two looks
                return FileSource(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        if self.bucket is not None:
            return self.bucket.read(object_id)
        raise SpoolError("object-missing", f"the stored object {object_id} is not there any more")

    def keep(self, arrived: Sequence[ArrivingObject]) -> None:
        """Make objects durable, in `incoming` or in the bucket. Raises OSError, which must not be tried again with the same
        files, or SpoolError, which may.
        """
        if self.bucket is None:
            if self._writeback is None:
                self._writeback = Writeback(self.incoming)
            for one in arrived:
                one.make_durable(self._writeback)
            if self._writeback.in_order:
                # One commit of the journal for all of them (see engine.spool.writeback). Their names may be older than their data:
                # older kernels commit no more for a folder than its own last change, so it gets one now.
                os.utime(self.incoming)
            sync_folder(self.incoming)
            return
        self.bucket.put([one.written() for one in arrived])
        for one in arrived:
            one.uploaded = True


class ArrivingObject:
    """One object on its way in: described, encrypted and written as it arrives.

    `write` its bytes, then `finish` once, or `abandon` it. Raises Refusal when it cannot be taken and
    SpoolError ("storage-full" or "storage-failed", retryable) when the disk cannot take it.
    """

    def __init__(self, storage: Storage, master: MasterKey, tenant: str, sender: str) -> None:
        self.object_id = secrets.token_hex(16)
        self.path = storage.incoming / self.object_id
        self._tenant, self._sender = tenant, sender
        data_key = secrets.token_bytes(KEY_BYTES)
        self._wrapped_key, self._master_key_id = master.wrap(data_key), master.key_id
        self._describing = DescriptionReader()
        self._storage, self._settled, self.uploaded = storage, False, False
        try:
            self.descriptor = storage.create(self.object_id)
        except OSError as problem:
            raise storage_error(problem) from problem
        try:
            self._writer = EncryptedWriter(self.descriptor, data_key, tenant, self.object_id)
        except OSError as problem:
            self.abandon()
            raise storage_error(problem) from problem

    @property
    def length(self) -> int:
        return self._writer.length

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._describing.feed(data)
        try:
            self._writer.write(data)
        except OSError as problem:
            raise storage_error(problem) from problem

    def finish(self, received: int) -> IndexRow:
        """Write the last chunk; the row to be indexed. `received`: whole microseconds since 1970."""
        description: Description = self._describing.finish()
        try:
            digest = self._writer.finish()
            # Starts the write-back at once, so that the commit waits for little.
            os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as problem:
            raise storage_error(problem) from problem
        return IndexRow(
            tenant=self._tenant,
            sop_instance_uid=description.sop_instance_uid,
            study_instance_uid=description.study_instance_uid,
            series_instance_uid=description.series_instance_uid,
            sop_class_uid=description.sop_class_uid,
            transfer_syntax_uid=description.transfer_syntax_uid,
            modality=description.modality,
            hashed_id=description.hashed_id,
            digest=digest,
            length=self._writer.length,
            object_id=self.object_id,
            wrapped_key=self._wrapped_key,
            master_key_id=self._master_key_id,
            sender=self._sender,
            received=received,
            attributes=description.attributes,
        )

    def abandon(self) -> None:
        """Remove what was written; nothing happens once the object was `settle`d. Raises SpoolError when the bucket cannot be
        reached; the next start tries again.
        """
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        if self._settled:
            return
        if self.uploaded and self._storage.bucket is not None:
            self._storage.bucket.remove(self.object_id)  # first: the file says that it must be done
            self.uploaded = False
        self.path.unlink(missing_ok=True)

    def make_durable(self, writeback: Writeback) -> None:
        """On the disk for sure with the next sync of its folder, and closed. Raises OSError; abandon the object then, and never
        repeat the sync.
        """
        writeback.finish(self.descriptor)
        os.close(self.descriptor)
        self.descriptor = -1

    def written(self) -> Path:
        """The whole file, closed."""
        os.close(self.descriptor)
        self.descriptor = -1
        return self.path

    def settle(self) -> None:
        """Move the indexed object to its place; what is in the bucket is there already."""
        self._settled = True
        if self.uploaded:
            self.path.unlink()
        else:
            self.path.rename(self._storage.final_path(self.object_id))


def storage_error(problem: OSError) -> PenstockError:
    """What a failed write to the storage means."""
    if problem.errno in _FULL:
        return SpoolError(
            "storage-full",
            "the platform's storage is full",
            hint="free space in the storage folder; gateways try again by themselves",
            retryable=True,
        )
    return SpoolError(
        "storage-failed",
        f"the platform's storage failed: {problem.strerror}",
        hint="look at the disk and the system's log",
        retryable=True,
    )
