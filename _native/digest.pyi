"""SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104), for many short messages under one key.

Keys and messages are `bytes` of any length, the empty ones too; digests are 32 bytes. Only `bytes` itself is taken (no subclass, no
bytearray, no memoryview): TypeError. Results are the same whichever backend does the work. Safe to call from several threads; the GIL is
released while 16 KiB or more are hashed.
"""

from collections.abc import Iterable

def sha256(data: bytes) -> bytes:
    """The digest of `data`. Raises TypeError."""

def hmac_sha256(key: bytes, message: bytes, *, prefix: bytes = b"") -> bytes:
    """The HMAC of `prefix` and `message`, one after the other. Raises TypeError."""

def many(key: bytes, messages: Iterable[bytes]) -> list[bytes]:
    """The HMAC of each message, in order. The key is prepared once, and messages of up to 119 bytes are hashed two at a time.

    Raises TypeError, which names the position of the first message that is not bytes; nothing is returned then.
    """

def backend() -> str:
    """What hashes here: "sha-ni" where the processor has the SHA extensions, else "portable". Chosen when the module is loaded."""

def select(name: str) -> None:
    """Changes the backend of this module for the whole process; for tests and benchmarks. Other cores keep theirs.

    Raises ValueError for a name that is unknown or that this processor cannot run.
    """
