"""The public keys that receipts are signed with: of each platform the one that was told first, over a verified
connection, is kept in SPOOL/receipt-keys and held on to, as an SSH client does with a host's key.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine import log
from engine.spool.layout import write_synced
from engine.syncing import sync_folder

KEY_BYTES = 32
FOLDER = "receipt-keys"
_LOG = log.get("uploader")


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` (64 bytes, Ed25519, RFC 8032) by the key `public` (32 bytes) is right for `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class KeyStore:
    """One file for each platform's address: the key as 64 hexadecimal digits and a line feed. Removing it makes the gateway ask
    again.
    """

    def __init__(self, spool: Path) -> None:
        self._folder = spool / FOLDER

    def remembered(self, address: str) -> bytes | None:
        """The key of the platform at this address; None if there is none, or the file is not one."""
        try:
            key = bytes.fromhex(self._path(address).read_text("ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            _LOG.failure("receipt-key-unreadable", problem)
            return None
        return key if len(key) == KEY_BYTES else None

    def remember(self, address: str, key: bytes) -> None:
        """Keep the key, durably. On a disk that does not take it the platform is asked again after the next start."""
        path = self._path(address)
        temporary = path.with_suffix(".tmp")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with suppress(FileNotFoundError):
                temporary.unlink()
            write_synced(temporary, f"{key.hex()}\n".encode("ascii"))
            temporary.replace(path)
            sync_folder(self._folder)
        except OSError as problem:
            _LOG.failure("receipt-key-not-kept", problem)
            return
        _LOG.info("receipt-key-learned", key=hashlib.sha256(key).hexdigest()[:8])

    def _path(self, address: str) -> Path:
        return self._folder / hashlib.sha256(address.encode()).hexdigest()[:16]
