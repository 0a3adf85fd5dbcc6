"""The platform's own keys: the master key that wraps data keys, and the key that signs receipts.

Both are files of mode 0600 with 64 hexadecimal digits and a newline. A file that others can read is refused.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.errors import ConfigError, SpoolError
from engine.syncing import sync_folder

KEY_BYTES = 32


class MasterKey:
    """Wraps data keys by AES Key Wrap (RFC 3394), which needs no nonce and so has no limit on uses.

    The representation never shows the key.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self._key = key
        self.key_id = hashlib.sha256(b"penstock master key id" + key).hexdigest()[:8]

    def __repr__(self) -> str:
        return f"MasterKey({self.key_id})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a master key is not pickled")

    @classmethod
    def load(cls, path: Path) -> MasterKey:
        """Read the master key. Raises ConfigError if it is missing, readable by others, or not a key."""
        return cls(read_key(path, "master key", "make one with `penstock platform master-key FILE`"))

    @staticmethod
    def write_new(path: Path) -> None:
        """Write a new random master key. Raises ConfigError if the file exists."""
        write_key(path, secrets.token_bytes(KEY_BYTES))

    def wrap(self, data_key: bytes) -> bytes:
        """Wrap a data key of 32 bytes into 40."""
        return aes_key_wrap(self._key, data_key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The data key. Raises SpoolError("data-key") if it was altered or wrapped by another master key."""
        try:
            return aes_key_unwrap(self._key, wrapped)
        except (InvalidUnwrap, ValueError) as problem:
            raise SpoolError(
                "data-key", "a data key cannot be unwrapped: it was altered, or the master key is another one"
            ) from problem


class SigningKey:
    """Signs receipts by Ed25519 (RFC 8032), which is deterministic: a repeat gets the same signature."""

    def __init__(self, key: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(key)
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = hashlib.sha256(self.public).hexdigest()[:8]

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a signing key is not pickled")

    @classmethod
    def load_or_make(cls, path: Path) -> SigningKey:
        """Read the signing key, or make it at the first start. Raises ConfigError if it is unusable."""
        if not path.exists():
            write_key(path, secrets.token_bytes(KEY_BYTES))
        return cls(read_key(path, "signing key", "restore it from a backup; old receipts name it"))

    def sign(self, message: bytes) -> bytes:
        """A signature of 64 bytes."""
        return self._key.sign(message)


def verify_signature(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 bytes) by the key `public` (32 bytes) is right for `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_key(path: Path, what: str, hint: str) -> bytes:
    """The 32 bytes of a key file that its owner alone can read. Raises ConfigError; `what` names the key in it."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(2 * KEY_BYTES + 2)
    except FileNotFoundError as problem:
        raise ConfigError("key-missing", f"there is no {what} at {path}", hint=hint) from problem
    except OSError as problem:
        raise ConfigError("key-unreadable", f"cannot read the {what} {path}: {problem.strerror}") from problem
    if mode & 0o077:
        raise ConfigError(
            "key-mode", f"the {what} {path} can be read by others (mode {mode:04o})", hint=f"chmod 600 {path}"
        )
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError as problem:
        raise ConfigError(
            "key-format", f"the {what} {path} is not 64 hexadecimal digits", hint=hint
        ) from problem
    if len(key) != KEY_BYTES:
        raise ConfigError("key-format", f"the {what} {path} is not 64 hexadecimal digits", hint=hint)
    return key


def write_key(path: Path, key: bytes) -> None:
    """Write a new key file of mode 0600, durably. Raises ConfigError when there is one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as problem:
        raise ConfigError("file-exists", f"{path} exists and is not overwritten") from problem
    except OSError as problem:
        raise ConfigError("file-unwritable", f"cannot write {path}: {problem.strerror}") from problem
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(descriptor, 0o600)
        file.write(key.hex() + "\n")
        file.flush()
        os.fsync(descriptor)
    sync_folder(path.parent)
