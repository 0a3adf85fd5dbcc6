"""Passwords: argon2id (RFC 9106), a smallest length, and a check against those that everybody tries.

The cost is one that OWASP's cheat sheet gives (19 MiB, two passes, one lane); at most two are computed at once in a
process, so a flood of sign-ins cannot take its memory.
"""

from __future__ import annotations

import itertools
import re
import secrets
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from engine.platform.errors import AccountError

SHORTEST = 12
LONGEST = 256
_AT_ONCE = 2
MEMORY_KIB, PASSES = 19_456, 2
_FEWEST_DIFFERENT = 5

# What the most used passwords of leaked lists are made of. A password that is only such words, digits and signs is
# refused whatever its length.
_STEMS = (
    "password passwort passw0rd p4ssw0rd pa55word motdepasse contrasena wachtwoord lozinka haslo welcome willkommen",
    "bienvenue letmein login logon admin administrator administrateur root user guest test testing demo default",
    "changeme change secret geheim hello hallo bonjour master dragon monkey football baseball soccer superman batman",
    "princess sunshine shadow iloveyou loveyou love trustno qwerty qwertz azerty qwertyuiop qwertzuiop asdfghjkl asdfgh asdf",
    "yxcvbnm zxcvbnm zxcvbn qazwsx wsxedc abcdefghijklmnopqrstuvwxyz abcdefgh abcdef abcd abc iop hospital krankenhaus",
    "klinik hopital radiology radiologie radiographer doctor doktor docteur nurse patient medical medizin clinic dicom",
    "pacs penstock summer sommer winter spring autumn herbst monday january february march april june july august",
    "september october november december company computer internet server access system please open sesame starwars",
    "whatever freedom my the is a for me you this and new old",
)
_WORDS = re.compile(f"(?:{'|'.join(sorted(' '.join(_STEMS).split(), key=len, reverse=True))})+")
_LEET = str.maketrans("@4301$5!7", "aaeoissit")


class Passwords:
    """Hashes and verifies. Methods take tenths of a second and block; any thread may call them."""

    def __init__(self, memory_kib: int = MEMORY_KIB, passes: int = PASSES) -> None:
        """With less than the usual cost only where nothing is protected: tests."""
        self._hasher = PasswordHasher(passes, memory_kib, 1, type=Type.ID)
        self._turn = threading.BoundedSemaphore(_AT_ONCE)
        self._nobodys = self.hashed(secrets.token_urlsafe(24))

    def hashed(self, password: str) -> str:
        """The encoded hash, with a salt and the parameters in it."""
        with self._turn:
            return self._hasher.hash(_encoded(password))

    def verify(self, encoded: str | None, password: str) -> bool:
        """Whether the password is right. Without a hash the same work is done, and the answer is no."""
        given = _encoded(password) if len(password) <= LONGEST else b""
        with self._turn:
            try:
                self._hasher.verify(encoded or self._nobodys, given)
            except (VerificationError, InvalidHashError):
                return False
        return encoded is not None and len(password) <= LONGEST

    def outdated(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(encoded)


def check_new(password: str, *context: str) -> None:
    """Raise AccountError ("password-short", "password-long", "password-characters", "password-common") if it is no
    good. `context` are words that must not be most of it: the account's name, the institution's.
    """
    if len(password) > LONGEST:
        raise AccountError("password-long", f"a password has at most {LONGEST} characters")
    normal = unicodedata.normalize("NFKC", password)
    if len(normal) < SHORTEST:
        raise AccountError(
            "password-short", f"a password has at least {SHORTEST} characters", hint="take four words"
        )
    if any(unicodedata.category(c) in {"Cc", "Cs", "Cn"} for c in normal):
        raise AccountError("password-characters", "a password has no control characters")
    if _is_common(normal, context):
        raise AccountError(
            "password-common",
            "this password is among the first that anybody tries",
            hint="take four words that have nothing to do with each other, or what a password manager makes",
        )


def _is_common(password: str, context: tuple[str, ...]) -> bool:
    lowered = password.casefold()
    if len(set(lowered)) < _FEWEST_DIFFERENT or _is_a_row(lowered) or _repeats(lowered):
        return True
    for word in context:
        if len(word) > 2:
            lowered = lowered.replace(word.casefold(), "")
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", lowered)  # before 4 is read as a, and ! as i
    bare = (re.sub(r"[\W\d_]", "", lowered), re.sub(r"[\W\d_]", "", core.translate(_LEET)))
    return any(letters == "" or _WORDS.fullmatch(letters) for letters in bare)


def _is_a_row(text: str) -> bool:
    """Characters that follow one another, as in 123456789012."""
    steps = {
        (ord(b) - ord(a)) % 10 if (a + b).isdigit() else ord(b) - ord(a) for a, b in itertools.pairwise(text)
    }
    return len(steps) == 1 and steps <= {0, 1, -1, 9}


def _repeats(text: str) -> bool:
    """One short piece over and over."""
    return any(text == (text[:n] * len(text))[: len(text)] for n in range(1, min(7, len(text) // 2 + 1)))


def _encoded(password: str) -> bytes:
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
