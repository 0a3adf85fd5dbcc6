"""How objects become durable in groups."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from engine.errors import ConfigError, Refusal, SpoolError
from engine.platform.commit import Arrived, Committer
from engine.platform.database import Database
from engine.platform.encryption import CHUNK
from engine.platform.index import Index, IndexRow
from engine.platform.keys import MasterKey
from engine.platform.storage import ArrivingObject, Storage
from engine.platform.writing import Writing
from engine.spool.writeback import Writeback
from tests.support.platform_process import pseudonymized

pytest_plugins = ("tests.support.databases",)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.open(tmp_path / "storage")


@pytest.fixture
def master(tmp_path: Path) -> MasterKey:
    MasterKey.write_new(tmp_path / "key")
    return MasterKey.load(tmp_path / "key")


@pytest.fixture
def index(database: Database) -> Index:
    return Index(database)


def arrive(storage: Storage, master: MasterKey, number: int, size: int = 2000) -> Arrived:
    arriving = ArrivingObject(storage, master, "t", "s")
    arriving.write(pseudonymized(number, size=size))
    return Arrived(arriving, arriving.finish(received=1))


def commit(storage: Storage, index: Index, *groups: list[Arrived]) -> list[list[IndexRow | Refusal]]:
    async def all_of_them() -> list[list[IndexRow | Refusal]]:
        committer = Committer(storage, index)
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
    storage: Storage, index: Index, master: MasterKey
) -> None:
    groups = [[arrive(storage, master, 1), arrive(storage, master, 2)], [], [arrive(storage, master, 2)]]
    first, none, repeat = commit(storage, index, *groups)
    assert first == [item.row for item in groups[0]]
    assert none == []
    assert repeat == [groups[0][1].row]
    assert files(storage) == sorted(item.row.object_id for item in groups[0])
    assert list(storage.incoming.iterdir()) == []


def test_a_failed_sync_stores_nothing_and_nothing_is_taken_afterwards(
    storage: Storage, index: Index, master: MasterKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        committer = Committer(storage, index)
        committer.start()
        await committer.commit([arrive(storage, master, 1)])
        syncs = []

        def fails(self: Writeback, descriptor: int) -> None:
            syncs.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patch:
            patch.setattr(Writeback, "finish", fails)
            with pytest.raises(SpoolError, match="storage failed"):
                await committer.commit([arrive(storage, master, 2), arrive(storage, master, 3)])
        assert len(syncs) == 1  # a failed sync is not repeated
        assert committer.failed
        with pytest.raises(SpoolError, match="earlier sync"):
            await committer.commit([arrive(storage, master, 4)])
        await asyncio.to_thread(committer.stop)

    asyncio.run(scenario())
    assert len(files(storage)) == 1
    assert [one.sop_instance_uid for one in index.instances("t", "2.25.100", 10, 0)] == [f"2.25.{10**20 + 1}"]


def test_an_index_that_cannot_commit_stores_nothing_and_heals(
    storage: Storage, index: Index, master: MasterKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Writing, rows: object) -> None:
        raise OperationalError("INSERT", None, OSError("disk I/O error"))

    async def scenario() -> None:
        committer = Committer(storage, index)
        committer.start()
        with monkeypatch.context() as patch:
            patch.setattr(Writing, "add", fails)
            with pytest.raises(SpoolError, match="database failed"):
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
