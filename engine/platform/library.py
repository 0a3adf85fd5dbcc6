"""What was stored, found and read again: listings from the index, and objects decrypted chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator

from engine import log
from engine.errors import SpoolError, TransportError
from engine.platform.encryption import Source, decrypt
from engine.platform.index import Index, IndexRow, SeriesRow, StudyRow
from engine.platform.keys import MasterKey
from engine.platform.storage import Storage

_LOG = log.get("platform")


class Library:
    """Reads for one tenant at a time. Methods block; any thread may call them."""

    def __init__(self, storage: Storage, master: MasterKey, index: Index) -> None:
        self._storage, self._master, self._index = storage, master, index

    def studies(
        self, tenant: str, hashed_id: str | None, study: str | None, limit: int, offset: int
    ) -> list[StudyRow]:
        """Studies, the latest first."""
        return self._index.studies(tenant, hashed_id, study, limit, offset)

    def series(self, tenant: str, study: str, limit: int, offset: int) -> list[SeriesRow]:
        """Series of a study."""
        return self._index.series(tenant, study, limit, offset)

    def instances(self, tenant: str, study: str, limit: int, offset: int) -> list[IndexRow]:
        """Objects of a study."""
        return self._index.instances(tenant, study, limit, offset)

    def transfer_syntaxes(
        self, tenant: str, study: str, series: str | None = None, instance: str | None = None
    ) -> set[str]:
        """The transfer syntaxes of a study, a series of it or an instance of that; empty if there is none."""
        return self._index.transfer_syntaxes(tenant, study, series, instance)

    def objects(
        self, tenant: str, study: str, series: str | None = None, instance: str | None = None
    ) -> Iterator[IndexRow]:
        """The rows of the same objects, a page of them in memory at a time."""
        page = self._index.objects(tenant, study, series, instance)
        while page:
            yield from page
            after = page[-1].series_instance_uid, page[-1].sop_instance_uid
            page = self._index.objects(tenant, study, series, instance, after=after)

    def open(self, tenant: str, study: str, sop_instance_uid: str) -> tuple[IndexRow, Iterator[bytes]]:
        """An object's row and its bytes. The first chunk is verified before this returns.

        Raises TransportError("not-found"); SpoolError ("object-missing", "object-altered", "data-key") now
        or while the bytes are taken, naming the object.
        """
        row = self._index.find(tenant, sop_instance_uid)
        if row is None or row.study_instance_uid != study:
            raise TransportError("not-found", "there is no such object")
        return row, self.verified(row)

    def verified(self, row: IndexRow) -> Iterator[bytes]:
        """An object's bytes. The first chunk is verified before this returns. Raises SpoolError as `open` does."""
        chunks = self._read(row)
        return _chain(next(chunks), chunks)

    def _read(self, row: IndexRow) -> Iterator[bytes]:
        """The object's bytes. The log names the object when they are not what was stored."""
        try:
            data_key = self._master.unwrap(row.wrapped_key)
            source = self._storage.open_object(row.object_id)
            try:
                yield from _decrypted(source, data_key, row)
            finally:
                source.close()
        except OSError as problem:
            _LOG.failure("object-unreadable", problem, object=row.object_id)
            raise SpoolError(
                "object-missing", f"the stored object {row.object_id} cannot be read: {problem.strerror}"
            ) from problem
        except SpoolError as problem:
            _LOG.failure("object-unreadable", problem, object=row.object_id)
            raise


def _decrypted(source: Source, data_key: bytes, row: IndexRow) -> Iterator[bytes]:
    length = 0
    for chunk in decrypt(source, data_key, row.tenant, row.object_id):
        length += len(chunk)
        yield chunk
    if length != row.length:
        message = f"the stored object {row.object_id} has another length than its row"
        raise SpoolError("object-altered", message)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
