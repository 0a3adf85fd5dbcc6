"""The index, and how objects become durable in groups."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from pathlib import Path

import pytest

from engine.errors import ConfigError, Refusal, SpoolError
from engine.platform.commit import Arrived, Committer
from engine.platform.encryption import CHUNK
from engine.platform.index import IndexRow, SQLiteIndex
from engine.platform.keys import MasterKey
from engine.platform.storage import ArrivingObject, Storage
from tests.support.platform_process import pseudonymized


def row(number: int, **changes: object) -> IndexRow:
    values: dict[str, object] = {
        "tenant": "t",
        "sop_instance_uid": f"1.{number}",
        "study_instance_uid": "2.1",
        "series_instance_uid": "3.1",
        "sop_class_uid": "4.1",
        "transfer_syntax_uid": "5.1",
        "modality": "CT",
        "hashed_id": "a",
        "digest": bytes(32),
        "length": 10,
        "object_id": f"{number:032x}",
        "wrapped_key": bytes(40),
        "master_key_id": "k",
        "sender": "s",
        "received": number,
    }
    return IndexRow(**{**values, **changes})  # type: ignore[arg-type]


def test_the_index_forgets_a_transaction_that_fails(tmp_path: Path) -> None:
    index = SQLiteIndex(tmp_path / "index")
    with index.transaction():
        index.add(row(1))

    def add_two() -> None:
        with index.transaction():
            index.add(row(2))
            index.add(row(3, hashed_id=None))

    with pytest.raises(sqlite3.IntegrityError):
        add_two()
    assert index.find("t", "1.1") == row(1)
    assert index.find("t", "1.2") is None
    assert index.find("other", "1.1") is None
    assert index.holds(f"{1:032x}")
    assert not index.holds(f"{2:032x}")
    index.close()


def test_studies_are_summed_up_by_tenant(tmp_path: Path) -> None:
    index = SQLiteIndex(tmp_path / "index")
    with index.transaction():
        for number in range(4):
            index.add(row(number, modality=("CT", "SR")[number % 2]))
        index.add(row(9, study_instance_uid="2.2", hashed_id="b"))
        index.add(row(8, tenant="u"))
    [first, second] = index.studies("t", None, None, 10, 0)
    assert (first.study_instance_uid, first.objects) == ("2.2", 1)
    assert (second.modalities, second.objects, second.bytes, second.last_received) == (("CT", "SR"), 4, 40, 3)
    assert index.studies("t", "a", None, 10, 0) == [second]
    assert index.studies("t", "a", "2.2", 10, 0) == []
    assert index.studies("t", None, None, 1, 1) == [second]
    assert [one.sop_instance_uid for one in index.instances("t", "2.1", 2, 1)] == ["1.1", "1.2"]
    index.close()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(tmp_path / "storage")


@pytest.fixture
def master(tmp_path: Path) -> MasterKey:
    MasterKey.write_new(tmp_path / "key")
    return MasterKey.load(tmp_path / "key")


def arrive(storage: Storage, master: MasterKey, number: int, size: int = 2000) -> Arrived:
    arriving = ArrivingObject(storage, master, "t", "s")
    arriving.write(pseudonymized(number, size=size))
    return Arrived(arriving, arriving.finish(received=1))


def commit(storage: Storage, *groups: list[Arrived]) -> list[list[IndexRow | Refusal]]:
    async def all_of_them() -> list[list[IndexRow | Refusal]]:
        committer = Committer(storage)
        waiting = [asyncio.create_task(committer.commit(group)) for group in groups]
        await asyncio.sleep(0)
        committer.start()
        answers = await asyncio.gather(*waiting)
        await asyncio.to_thread(committer.stop)
        return answers

    return asyncio.run(all_of_them())


def files(storage: Storage) -> list[str]:
    return sorted(
        p.name for folder in (storage.objects, storage.incoming) for p in folder.rglob("*") if p.is_file()
    )


def test_groups_that_wait_are_committed_together_and_answered_apart(
    storage: Storage, master: MasterKey
) -> None:
    groups = [[arrive(storage, master, 1), arrive(storage, master, 2)], [], [arrive(storage, master, 2)]]
    first, none, repeat = commit(storage, *groups)
    assert first == [item.row for item in groups[0]]
    assert none == []
    assert repeat == [groups[0][1].row]
    assert files(storage) == sorted(item.row.object_id for item in groups[0])
    assert list(storage.incoming.iterdir()) == []


def test_a_failed_sync_stores_nothing_and_nothing_is_taken_afterwards(
    storage: Storage, master: MasterKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        committer = Committer(storage)
        committer.start()
        await committer.commit([arrive(storage, master, 1)])
        syncs = []

        def fails(descriptor: int) -> None:
            syncs.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", fails)
            with pytest.raises(SpoolError, match="storage failed"):
                await committer.commit([arrive(storage, master, 2), arrive(storage, master, 3)])
        assert len(syncs) == 1  # a failed sync is not repeated
        assert committer.failed
        with pytest.raises(SpoolError, match="earlier sync"):
            await committer.commit([arrive(storage, master, 4)])
        await asyncio.to_thread(committer.stop)

    asyncio.run(scenario())
    assert len(files(storage)) == 1
    index = storage.open_index()
    assert [one.sop_instance_uid for one in index.instances("t", "2.25.100", 10, 0)] == [f"2.25.{10**20 + 1}"]
    index.close()


def test_an_index_that_cannot_commit_stores_nothing_and_heals(
    storage: Storage, master: MasterKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: SQLiteIndex, row: IndexRow) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async def scenario() -> None:
        committer = Committer(storage)
        committer.start()
        with monkeypatch.context() as patch:
            patch.setattr(SQLiteIndex, "add", fails)
            with pytest.raises(SpoolError, match="index failed"):
                await committer.commit([arrive(storage, master, 1)])
        assert files(storage) == []
        assert len(await committer.commit([arrive(storage, master, 1)])) == 1
        await asyncio.to_thread(committer.stop)

    asyncio.run(scenario())
    assert len(files(storage)) == 1


def test_an_abandoned_object_leaves_nothing(storage: Storage, master: MasterKey) -> None:
    arriving = ArrivingObject(storage, master, "t", "s")
    arriving.write(pseudonymized(1, size=1_000_000))
    assert len(files(storage)) == 1
    arriving.abandon()
    arriving.abandon()
    assert files(storage) == []


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "storage-full"), (errno.EDQUOT, "storage-full"), (errno.EIO, "storage-failed")],
)
def test_a_write_that_fails_is_named(
    storage: Storage, master: MasterKey, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    arriving = ArrivingObject(storage, master, "t", "s")

    def fails(descriptor: int, data: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fails)
        with pytest.raises(SpoolError) as caught:
            arriving.write(pseudonymized(1, size=CHUNK * 2))
    assert (caught.value.code, caught.value.retryable) == (code, True)
    arriving.abandon()


def test_a_storage_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot use the storage folder"):
        Storage.open(tmp_path / "file" / "storage")
