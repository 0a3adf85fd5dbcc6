"""Encryption of objects, keys, description, index and commit: the platform's parts below HTTP."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import sqlite3
import stat
import tempfile
import zlib
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from engine.errors import ConfigError, Refusal, SpoolError
from engine.platform.commit import Arrived, Committer
from engine.platform.description import FIRST_TRY, MOST_PREFIX, DescriptionReader
from engine.platform.encryption import CHUNK, EncryptedWriter, decrypt
from engine.platform.index import IndexRow, SQLiteIndex
from engine.platform.keys import MasterKey, SigningKey, verify_signature
from engine.platform.storage import ArrivingObject, Storage
from tests.support.platform_process import pseudonymized, written

KEY = bytes(range(32))


def encrypt(
    path: Path, pieces: list[bytes], tenant: str = "t", object_id: str = "o", key: bytes = KEY
) -> bytes:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        writer = EncryptedWriter(descriptor, key, tenant, object_id)
        for piece in pieces:
            writer.write(piece)
        assert writer.length == sum(map(len, pieces))
        return writer.finish()
    finally:
        os.close(descriptor)


def decrypted(path: Path, tenant: str = "t", object_id: str = "o", key: bytes = KEY) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return b"".join(decrypt(descriptor, key, tenant, object_id))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17])
@pytest.mark.parametrize("step", [1 << 20, 65_537])
def test_what_is_encrypted_comes_back(tmp_path: Path, size: int, step: int) -> None:
    content = os.urandom(size)
    digest = encrypt(tmp_path / "x", [content[at : at + step] for at in range(0, size, step)])
    assert digest == blake3(content).digest()
    assert decrypted(tmp_path / "x") == content
    chunks = max(1, -(-size // CHUNK))
    assert (tmp_path / "x").stat().st_size == 12 + size + 16 * chunks


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_pieces_give_the_same_file(pieces: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder) / "one", Path(folder) / "other"
        assert encrypt(one, pieces) == encrypt(other, [b"".join(pieces)])
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("tenant", "object_id", "key"),
    [("u", "o", KEY), ("t", "p", KEY), ("t", "o", bytes(32)), ("t\0o", "", KEY)],
    ids=["tenant", "object", "key", "shifted-names"],
)
def test_an_object_opens_under_its_own_name_and_key_only(
    tmp_path: Path, tenant: str, object_id: str, key: bytes
) -> None:
    encrypt(tmp_path / "x", [b"pixels"])
    with pytest.raises(SpoolError, match="altered"):
        decrypted(tmp_path / "x", tenant, object_id, key)


def test_every_single_flipped_bit_is_found(tmp_path: Path) -> None:
    encrypt(tmp_path / "x", [b"pixels"])
    whole = (tmp_path / "x").read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 1 << (at % 8)
        (tmp_path / "x").write_bytes(changed)
        with pytest.raises(SpoolError, match="altered"):
            decrypted(tmp_path / "x")


def test_every_cut_is_found(tmp_path: Path) -> None:
    encrypt(tmp_path / "x", [bytes(CHUNK + 40)])
    whole = (tmp_path / "x").read_bytes()
    for end in [*range(30), 12 + CHUNK, 12 + CHUNK + 15, 12 + CHUNK + 16, 12 + CHUNK + 17, len(whole) - 1]:
        (tmp_path / "x").write_bytes(whole[:end])
        with pytest.raises(SpoolError, match="altered"):
            decrypted(tmp_path / "x")


def test_a_master_key_wraps_and_another_one_does_not_unwrap(tmp_path: Path) -> None:
    MasterKey.write_new(tmp_path / "key")
    MasterKey.write_new(tmp_path / "other")
    master = MasterKey.load(tmp_path / "key")
    wrapped = master.wrap(KEY)
    assert KEY not in wrapped
    assert MasterKey.load(tmp_path / "key").unwrap(wrapped) == KEY
    with pytest.raises(SpoolError, match="master key"):
        MasterKey.load(tmp_path / "other").unwrap(wrapped)
    with pytest.raises(SpoolError):
        master.unwrap(wrapped[:-1] + bytes([wrapped[-1] ^ 1]))
    assert (tmp_path / "key").read_text().strip() not in repr(master)
    with pytest.raises(TypeError):
        pickle.dumps(master)


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        (None, 0o600, "key-missing"),
        ("00" * 32 + "\n", 0o640, "key-mode"),
        ("00" * 31 + "\n", 0o600, "key-format"),
        ("zz" * 32 + "\n", 0o600, "key-format"),
        ("", 0o600, "key-format"),
        ("é" * 40, 0o600, "key-format"),
    ],
)
def test_a_key_file_that_is_wrong_is_named(tmp_path: Path, content: str | None, mode: int, code: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content, encoding="utf-8")
        path.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        MasterKey.load(path)
    assert caught.value.code == code
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_the_signing_key_is_made_once_and_kept(tmp_path: Path) -> None:
    first = SigningKey.load_or_make(tmp_path / "signing-key")
    again = SigningKey.load_or_make(tmp_path / "signing-key")
    assert stat.S_IMODE((tmp_path / "signing-key").stat().st_mode) == 0o600
    assert first.sign(b"message") == again.sign(b"message")
    assert verify_signature(again.public, first.sign(b"message"), b"message")
    assert not verify_signature(again.public, first.sign(b"message"), b"other")
    assert not verify_signature(b"", b"", b"message")


def described(content: bytes, step: int = 1000) -> tuple[str, str, str]:
    reader = DescriptionReader()
    for at in range(0, len(content), step):
        reader.feed(content[at : at + step])
    found = reader.finish()
    return found.sop_instance_uid, found.study_instance_uid, found.hashed_id


@pytest.mark.parametrize("step", [1, 7, 1000, 1 << 20])
def test_an_object_is_described_whatever_its_pieces(step: int) -> None:
    assert described(pseudonymized(1, "2.25.9"), step) == (f"2.25.{10**20 + 1}", "2.25.9", "a" * 32)


def changed_object(**changes: object) -> bytes:
    ds = Dataset()
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.1", "2.25.2", "2.25.3"
    ds.PatientID, ds.PatientIdentityRemoved, ds.Modality = "a" * 32, "YES", "CT"
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return written(ds)


@pytest.mark.filterwarnings("ignore:.*exceeds the maximum length")
def test_a_long_head_before_the_series_uid_is_read_on() -> None:
    long = changed_object(LongCodeValue="y" * (FIRST_TRY * 2))
    assert described(long)[0] == "2.25.1"


def test_a_head_without_end_is_refused_before_much_of_it_is_held() -> None:
    endless = changed_object(LongCodeValue="y" * (5 * MOST_PREFIX))
    reader = DescriptionReader()
    fed = 0

    def feed_on() -> None:
        nonlocal fed
        for at in range(0, len(endless), 10_000):
            reader.feed(endless[at : at + 10_000])
            fed += 10_000

    with pytest.raises(Refusal, match="Series Instance UID"):
        feed_on()
    assert fed <= MOST_PREFIX


@pytest.mark.parametrize(
    ("changes", "code", "tag"),
    [
        ({"PatientIdentityRemoved": None}, "not-pseudonymized", 0x00120062),
        ({"PatientIdentityRemoved": "NO"}, "not-pseudonymized", 0x00120062),
        ({"StudyInstanceUID": None}, "missing-attribute", 0x0020000D),
        ({"SeriesInstanceUID": ""}, "missing-attribute", 0x0020000E),
        ({"PatientID": ""}, "missing-attribute", 0x00100020),
        ({"PatientID": "x" * 65}, "missing-attribute", 0x00100020),
    ],
)
@pytest.mark.filterwarnings("ignore:.*exceeds the maximum length")
def test_an_object_without_what_the_index_needs_is_refused(
    changes: dict[str, object], code: str, tag: int
) -> None:
    with pytest.raises(Refusal) as caught:
        described(changed_object(**changes))
    assert (caught.value.code, caught.value.tag) == (code, tag)


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2.x", "1..2", "1" * 65, "1.2\n"])
def test_a_uid_that_is_none_is_refused_and_not_repeated(uid: str) -> None:
    content = changed_object().replace(
        b"UI\x06\x002.25.2", b"UI" + len(uid).to_bytes(2, "little") + uid.encode()
    )
    with pytest.raises(Refusal) as caught:
        described(content)
    assert uid not in str(caught.value)


def test_a_deflated_object_is_described_and_a_bomb_is_bounded() -> None:
    plain = changed_object()
    start = plain.index(b"\x08\x00\x16\x00UI")
    deflated_uid = b"1.2.840.10008.1.2.1.99"
    meta = plain[:start].replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x16\x00" + deflated_uid)
    group_length = int.from_bytes(meta[140:144], "little") + 2
    meta = meta[:140] + group_length.to_bytes(4, "little") + meta[144:]

    def deflate(data: bytes) -> bytes:
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(data) + packer.flush()

    assert described(meta + deflate(plain[start:]))[0] == "2.25.1"
    with pytest.raises(Refusal):
        described(meta + deflate(bytes(50 << 20)), 1 << 20)


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
