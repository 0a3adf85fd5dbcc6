"""How an object lies on disk, and the keys: everything that was changed is found."""

from __future__ import annotations

import os
import pickle
import stat
import tempfile
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, SpoolError
from engine.platform.encryption import CHUNK, EncryptedWriter, FileSource, decrypt
from engine.platform.keys import MasterKey, SigningKey, verify_signature

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
        return b"".join(decrypt(FileSource(descriptor), key, tenant, object_id))
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
