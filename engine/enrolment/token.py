"""The enrolment token: single use, short-lived, and enough to know the platform by before anything is sent to it.

    penstock1_ + base64url of  secret (24 bytes) | pin (32 bytes) | check (4 bytes)

`pin` is the SHA-256 of the public key (SubjectPublicKeyInfo, DER) that the platform must prove to have, `check` begins
the SHA-256 of what stands before it and finds slips in copying. The platform keeps a hash of `secret` alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
from dataclasses import dataclass

from engine.errors import ConfigError

PREFIX = "penstock1_"
SECRET_BYTES, PIN_BYTES, CHECK_BYTES = 24, 32, 4
_WHOLE = SECRET_BYTES + PIN_BYTES + CHECK_BYTES
MOST_CHARACTERS = 200
_CHARACTERS = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Token:
    """A token's parts. The representation never shows the secret."""

    secret: bytes
    pin: bytes

    @classmethod
    def new(cls, pin: bytes) -> Token:
        """A new one for the platform whose public key has this SHA-256. Raises ValueError if it has not 32 bytes."""
        if len(pin) != PIN_BYTES:
            raise ValueError(f"a pin has {PIN_BYTES} bytes")
        return cls(secrets.token_bytes(SECRET_BYTES), pin)

    @classmethod
    def parse(cls, text: str) -> Token:
        """From its text; white space around and inside it does not count. Raises ConfigError("token-malformed")."""
        text = "".join(text.split())
        if not text.startswith(PREFIX) or len(text) > MOST_CHARACTERS:
            raise _malformed(f"a token begins with {PREFIX}")
        encoded = text.removeprefix(PREFIX)
        try:
            if not _CHARACTERS.fullmatch(encoded):
                raise binascii.Error
            whole = base64.urlsafe_b64decode(encoded)
        except binascii.Error:
            raise _malformed("it holds characters that no token has") from None
        if len(whole) != _WHOLE:
            raise _malformed("it is too short" if len(whole) < _WHOLE else "it is too long")
        if _check(whole[:-CHECK_BYTES]) != whole[-CHECK_BYTES:]:
            raise _malformed("some of its characters are not as they were")
        return cls(whole[:SECRET_BYTES], whole[SECRET_BYTES:-CHECK_BYTES])

    @property
    def text(self) -> str:
        """What is shown once, and copied."""
        whole = self.secret + self.pin
        return PREFIX + base64.urlsafe_b64encode(whole + _check(whole)).decode("ascii")

    @property
    def digest(self) -> str:
        """What the platform keeps of it: hexadecimal."""
        return digest_of(self.secret)

    def __repr__(self) -> str:
        return "Token(…)"


def digest_of(secret: bytes) -> str:
    """The hash by which the platform knows a token's secret. The secret is random, so a plain hash is enough."""
    return hashlib.sha256(b"penstock enrolment token\0" + secret).hexdigest()


def _check(whole: bytes) -> bytes:
    return hashlib.sha256(b"penstock token check\0" + whole).digest()[:CHECK_BYTES]


def _malformed(why: str) -> ConfigError:
    return ConfigError(
        "token-malformed", f"this is not an enrolment token: {why}", hint="copy all of it, from one line"
    )
