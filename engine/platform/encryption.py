"""How an object lies on disk: chunks of AES-256-GCM under a data key of its own.

    file    = header, chunk 0, chunk 1 … chunk n      (n + 1 ≥ 1 chunks; an empty object has one empty chunk)
    header  = b"PNSTOCK" + format version (1 byte) + plaintext bytes a chunk (4 bytes, big endian)
    chunk i = ciphertext + tag of 16 bytes; all but the last are full
    nonce i = 4 zero bytes + i (8 bytes, big endian)
    AAD i   = tenant NUL object id NUL, header, i (8 bytes), 1 if the chunk is the last, else 0 (1 byte)

A data key is random, used for one object and never twice, so counting nonces are safe. The index and the
last flag in the additional data make a chunk that was moved, repeated, dropped or taken from another object
fail to decrypt.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Protocol

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.errors import SpoolError

FORMAT = 1
CHUNK = 1 << 18
TAG = 16
_MAGIC = b"PNSTOCK" + bytes([FORMAT])
_HEADER = struct.Struct(">8sI")
_NONCE = struct.Struct(">4xQ")
_PLACE = struct.Struct(">QB")


class EncryptedWriter:
    """Encrypts one object as it arrives and writes it to a descriptor; at most one chunk is held.

    `write` any number of times, then `finish` once. `digest` and `length` describe the plaintext. Writes go
    to the page cache; making them durable is the caller's affair. OSError from writing passes through.
    """

    def __init__(self, descriptor: int, data_key: bytes, tenant: str, object_id: str) -> None:
        self._descriptor = descriptor
        self._cipher = AESGCM(data_key)
        header = _HEADER.pack(_MAGIC, CHUNK)
        self._context = _name(tenant, object_id) + header
        self._hash = blake3()
        self._chunk = bytearray(CHUNK)
        self._out = bytearray(CHUNK + TAG)
        self._filled = 0
        self._index = 0
        self.length = 0
        _write_all(descriptor, header)

    def write(self, data: bytes | memoryview) -> None:
        """Take some bytes of the object."""
        self._hash.update(data)
        self.length += len(data)
        view = memoryview(data)
        while len(view):
            if self._filled == CHUNK:  # only when more follows: the last chunk is known at finish
                self._flush(last=False)
            taken = min(CHUNK - self._filled, len(view))
            self._chunk[self._filled : self._filled + taken] = view[:taken]
            self._filled += taken
            view = view[taken:]

    def finish(self) -> bytes:
        """Write the last chunk; returns the BLAKE3 digest (32 bytes) of the plaintext."""
        self._flush(last=True)
        self._chunk = self._out = bytearray()  # the object may wait for its commit, with many others
        return self._hash.digest()

    def _flush(self, *, last: bool) -> None:
        out = memoryview(self._out)[: self._filled + TAG]
        self._cipher.encrypt_into(
            _NONCE.pack(self._index),
            memoryview(self._chunk)[: self._filled],
            self._context + _PLACE.pack(self._index, last),
            out,
        )
        _write_all(self._descriptor, out)
        self._index += 1
        self._filled = 0


class Source(Protocol):
    """Encrypted bytes to be read once from their beginning. `size`: how many there are said to be."""

    size: int

    def read(self, most: int) -> bytes:
        """The next bytes: as many as asked for, fewer at the end alone."""

    def close(self) -> None:
        """Give up what is held."""


class FileSource:
    """A file, by its descriptor, which is closed with it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, most: int) -> bytes:
        """See Source. OSError passes through."""
        return os.read(self._descriptor, most)

    def close(self) -> None:
        """See Source."""
        os.close(self._descriptor)


def decrypt(source: Source, data_key: bytes, tenant: str, object_id: str) -> Iterator[bytes]:
    """Yield the plaintext of a stored object chunk by chunk (at most the chunk size of its header).

    Each chunk is verified before it is yielded. Raises SpoolError("object-altered") naming the object and
    the chunk when something was changed, cut or added.
    """
    header = source.read(_HEADER.size)
    if len(header) < _HEADER.size or header[:8] != _MAGIC:
        raise _altered(object_id, "its header is not one of ours")
    chunk = _HEADER.unpack(header)[1]
    if not 0 < chunk <= 1 << 24:
        raise _altered(object_id, "its header is not one of ours")
    cipher = AESGCM(data_key)
    context = _name(tenant, object_id) + header
    offset = _HEADER.size
    index = 0
    while True:
        encrypted = source.read(chunk + TAG)
        offset += len(encrypted)
        last = offset >= source.size or len(encrypted) < chunk + TAG
        try:
            yield cipher.decrypt(_NONCE.pack(index), encrypted, context + _PLACE.pack(index, last))
        except (InvalidTag, ValueError) as problem:
            raise _altered(object_id, f"chunk {index} does not verify") from problem
        if last:
            return
        index += 1


def _altered(object_id: str, how: str) -> SpoolError:
    return SpoolError(
        "object-altered",
        f"the stored object {object_id} was altered or cut: {how}",
        hint="restore it from a backup, or have its gateway send it again",
    )


def _name(tenant: str, object_id: str) -> bytes:
    return tenant.encode() + b"\0" + object_id.encode() + b"\0"


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while len(view):
        view = view[os.write(descriptor, view) :]
