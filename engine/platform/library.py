"""What was stored, found and read again: listings from the index, and objects decrypted chunk by chunk."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

from engine.errors import PenstockError, SpoolError, TransportError
from engine.platform.encryption import decrypt
from engine.platform.index import IndexRow, StudyRow
from engine.platform.keys import MasterKey
from engine.platform.storage import Storage


class Library:
    """Reads for one tenant at a time. Methods block; any thread may call them."""

    def __init__(self, storage: Storage, master: MasterKey) -> None:
        self._storage, self._master = storage, master
        self._index = storage.open_index()
        self._turn = threading.Lock()

    def close(self) -> None:
        """Close the index."""
        with self._turn:
            self._index.close()

    def studies(
        self, tenant: str, hashed_id: str | None, study: str | None, limit: int, offset: int
    ) -> list[StudyRow]:
        """Studies, the latest first."""
        with self._turn:
            return self._index.studies(tenant, hashed_id, study, limit, offset)

    def instances(self, tenant: str, study: str, limit: int, offset: int) -> list[IndexRow]:
        """Objects of a study."""
        with self._turn:
            return self._index.instances(tenant, study, limit, offset)

    def open(self, tenant: str, study: str, sop_instance_uid: str) -> tuple[IndexRow, Iterator[bytes]]:
        """An object's row and its bytes. The first chunk is verified before this returns.

        Raises TransportError("not-found"); SpoolError ("object-missing", "object-altered", "data-key") now
        or while the bytes are taken, naming the object.
        """
        with self._turn:
            row = self._index.find(tenant, sop_instance_uid)
        if row is None or row.study_instance_uid != study:
            raise TransportError("not-found", "there is no such object")
        data_key = self._master.unwrap(row.wrapped_key)
        descriptor = self._storage.open_object(row.object_id)
        chunks = _read(descriptor, data_key, row)
        first = next(chunks)
        return row, _chain(first, chunks)


def _read(descriptor: int, data_key: bytes, row: IndexRow) -> Iterator[bytes]:
    try:
        length = 0
        for chunk in decrypt(descriptor, data_key, row.tenant, row.object_id):
            length += len(chunk)
            yield chunk
        if length != row.length:
            raise SpoolError(
                "object-altered", f"the stored object {row.object_id} has another length than its row"
            )
    except OSError as problem:
        raise PenstockError(
            "object-missing", f"the stored object {row.object_id} cannot be read: {problem.strerror}"
        ) from problem
    finally:
        os.close(descriptor)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
