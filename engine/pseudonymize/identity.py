"""Who a patient is here: the hash secret, and the keyed hashes that replace what identifies a patient and
link back to it.

The formulas are a contract with everybody who must find a patient again; `vectors.json` holds examples that
any other implementation must reproduce.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from engine._native import digest
from engine.errors import Refusal
from engine.pseudonymize import secret_file
from engine.pseudonymize.specific_character_set import decode

PADDING = " \0"


def canonical(raw: bytes, charset: Sequence[str] | str) -> str:
    """What is hashed of a value: its text in NFC, without spaces and NULs at its ends.

    `charset` holds the values of Specific Character Set (0008,0005) in force; () or "" is the default
    repertoire. An empty result means that there is no identifier. Raises Refusal if the bytes are not text in
    that character set.
    """
    return canonical_text(decode(raw, charset))


def canonical_text(text: str) -> str:
    """`canonical` for text that is decoded already. Doing it twice changes nothing."""
    return unicodedata.normalize("NFC", text).strip(PADDING)


class HashSecret:
    """The institution's key: 32 bytes. It never shows itself, and refuses to be pickled."""

    __slots__ = ("_key", "_key_id")

    def __init__(self, key: bytes) -> None:
        """Raises ValueError if `key` is not 32 bytes."""
        if len(key) != secret_file.SIZE:
            raise ValueError(f"a hash secret has {secret_file.SIZE} bytes, not {len(key)}")
        self._key = bytes(key)
        self._key_id = hashlib.sha256(b"penstock key id" + key).hexdigest()[:8]

    @classmethod
    def generate(cls) -> HashSecret:
        """A new one from the operating system's random numbers."""
        return cls(secrets.token_bytes(secret_file.SIZE))

    @classmethod
    def load(cls, path: str | Path) -> HashSecret:
        """From a file that only its owner may read, holding 64 hexadecimal digits and a newline.

        Raises ConfigError, which says what to do and never shows what the file holds.
        """
        return cls(secret_file.read(Path(path)))

    def write(self, path: str | Path) -> None:
        """To a new file of mode 0600, durable when this returns.

        Raises ConfigError; a file that exists is left alone.
        """
        secret_file.write(Path(path), self._key)

    @property
    def key(self) -> bytes:
        return self._key

    @property
    def key_id(self) -> str:
        """8 hexadecimal digits that tell one secret from another and say nothing about either."""
        return self._key_id

    def hashed_id(self, value: str, issuer: str | None = None) -> str:
        """What replaces a Patient ID: 32 hexadecimal digits.

        `issuer` is the Issuer of Patient ID, for profiles that count it as part of the identity; an empty one
        is none. Raises Refusal for an empty Patient ID (all patients without one would become one patient:
        use `hashed_study`) and for a NUL inside a value, which separates issuer from value.
        """
        identifier = _identifier(value)
        if issuer is not None and canonical_text(issuer):
            identifier = _identifier(issuer) + b"\0" + identifier
        return self._hash(b"patient-id\0", identifier).hex()[:32]

    def accession(self, value: str) -> str:
        """What replaces an Accession Number (VR SH): 16 characters of base32.

        Raises Refusal for an empty one.
        """
        return _base32(self._hash(b"accession\0", _identifier(value)))

    def study_id(self, uid: str) -> str:
        """What replaces a Study ID (VR SH): 16 characters of base32, made of the original Study Instance UID.

        Raises Refusal for an empty one.
        """
        return _base32(self._hash(b"study-uid\0", _identifier(uid)))

    def hashed_study(self, uid: str) -> str:
        """The hashed ID of a patient without a Patient ID, made of the original Study Instance UID.

        32 hexadecimal digits. Raises Refusal for an empty one.
        """
        return self._hash(b"patient-of-study\0", _identifier(uid)).hex()[:32]

    def _hash(self, purpose: bytes, identifier: bytes) -> bytes:
        return digest.hmac_sha256(self._key, identifier, prefix=purpose)

    def __repr__(self) -> str:
        return f"<HashSecret {self._key_id}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a hash secret is not pickled; the process that needs it loads it from its file")


def _identifier(value: str) -> bytes:
    text = canonical_text(value)
    if not text:
        raise Refusal("identity-empty", "there is no identifier to hash")
    if "\0" in text:
        raise Refusal("identity-nul", "an identifier holds a NUL character")
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        refusal = Refusal("undecodable-text", "an identifier holds half of a surrogate pair")
    # Not raised above, where the exception that carries the value would become its context.
    raise refusal


def _base32(value: bytes) -> str:
    return base64.b32encode(value)[:16].decode("ascii")
