"""The marks that make the trail tamper-evident: each row's is made with a key from its content and the mark before it.

Keyed (HMAC-SHA-256), because a plain chain protects nothing against whoever may write to the database: they would
compute it anew from the row that they changed. The key lies in a file outside the database.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

import orjson

from engine.platform.keys import KEY_BYTES, read_key, write_key

GENESIS = "0" * 64
_ROW, _HEAD, _TAG = b"penstock audit row 1\0", b"penstock audit head 1\0", b"penstock audit tag 1\0"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. `time` is whole microseconds since 1970, `number` counts from 1 in its chain, without gaps.

    `chain` is the institution's name, or "" for what concerns none. `detail` is a JSON object with sorted keys.
    """

    chain: str
    number: int
    time: int
    event: str
    outcome: str
    actor_kind: str
    actor_name: str
    actor_address: str
    subject: str
    detail: str
    previous: str
    mark: str


class AuditKey:
    """The key of the marks. Its representation never shows it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "AuditKey(…)"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an audit key is not pickled")

    @classmethod
    def load(cls, path: Path) -> AuditKey:
        """Read the key's file. Raises ConfigError."""
        return cls(
            read_key(path, "audit key", "restore it from a backup; without it the trail cannot be verified")
        )

    @classmethod
    def load_or_make(cls, path: Path) -> AuditKey:
        """Read the key, or make it at the first start. Raises ConfigError if it is unusable."""
        if not path.exists():
            import secrets

            write_key(path, secrets.token_bytes(KEY_BYTES))
        return cls.load(path)

    def mark(self, entry: Entry) -> str:
        """What `entry.mark` must be: 64 hexadecimal digits over everything else in the entry."""
        content = [
            entry.chain,
            entry.number,
            entry.time,
            entry.event,
            entry.outcome,
            entry.actor_kind,
            entry.actor_name,
            entry.actor_address,
            entry.subject,
            entry.detail,
            entry.previous,
        ]
        return self._hmac(_ROW + orjson.dumps(content))

    def head_mark(self, chain: str, number: int, mark: str) -> str:
        """The mark on a chain's end, so that nobody else can shorten a chain and say so."""
        return self._hmac(_HEAD + orjson.dumps([chain, number, mark]))

    def tag(self, text: str) -> str:
        """Eight digits by which equal texts can be told as equal, without the text."""
        return self._hmac(_TAG + text.encode("utf-8", "surrogatepass"))[:8]

    def _hmac(self, message: bytes) -> str:
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


def same(first: str, second: str) -> bool:
    """Whether two marks are equal, in constant time."""
    return hmac.compare_digest(first.encode(), second.encode())
