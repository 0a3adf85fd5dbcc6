"""The identities of one object: what its Patient ID, accession and study become, from raw values and their character sets."""

from __future__ import annotations

from dataclasses import dataclass

from engine._native.digest import hmac_sha256
from engine._native.program import ACTIONS
from engine._native.survey import Survey
from engine.pseudonymize.cleaning import clean_code, clean_text, words_of
from engine.pseudonymize.identity import HashSecret, canonical

CHARSET, ACCESSION, PATIENT_NAME, PATIENT_ID, ISSUER = (
    0x00080005,
    0x00080050,
    0x00100010,
    0x00100020,
    0x00100021,
)
STUDY_UID = 0x0020000D

_REMEMBERED = 1024
"""Patients and values: many more than a worker meets in turns, few enough that the tables are full within the first hour."""
_LONGEST_KEY = 1024
"""Bytes: what is longer is no identifier that many objects share, and a cache of such keys would have no bound."""

_SHIFT_DAYS = 3650


_HASH_PATIENT, _HASH_ACCESSION = ACTIONS["hash-patient"], ACTIONS["hash-accession"]
_CLEAN_TEXT, _CLEAN_CODE = ACTIONS["clean-text"], ACTIONS["clean-code"]
_CLEANING = frozenset({_CLEAN_TEXT, _CLEAN_CODE})


@dataclass(frozen=True, slots=True)
class Identity:
    """Replacements for one object as ASCII: `hashed_id` (32 hexadecimal digits) and `study_id` (16 of base32), b"" where there is
    nothing to hash; `shift_days` is the patient's date shift, 1 to 3650 days into the past. `of_object`: made of the object's own
    UID, so that no other object may get it."""

    hashed_id: bytes
    study_id: bytes
    shift_days: int
    of_object: bool = False


def charset_of(raw: bytes) -> tuple[str, ...]:
    """The values of Specific Character Set (0008,0005), which is itself ASCII."""
    text = raw.decode("ascii", "replace").strip(" \0")
    return tuple(part.strip(" ") for part in text.split("\\")) if text else ()


class Identities:
    """Computes identities under one hash secret and remembers the latest, since the objects of a study share them."""

    def __init__(self, secret: HashSecret, *, issuer: bool) -> None:
        self._secret = secret
        self._issuer = issuer
        self._objects: dict[tuple[bytes, bytes, bytes, bytes], Identity] = {}
        self._values: dict[tuple[int, bytes, bytes, bytes], bytes | None] = {}
        self._name = b""
        self._own: frozenset[str] = frozenset()

    def of(self, survey: Survey, sop_instance: bytes) -> Identity:
        """The identity of an object. An empty Patient ID becomes a hash of the study (or, without one, of the object), so
        that patients without an ID never become one patient. Raises Refusal for text that its character set cannot hold."""
        key = (
            survey.get(PATIENT_ID) or b"",
            (survey.get(ISSUER) or b"") if self._issuer else b"",
            survey.get(CHARSET) or b"",
            survey.get(STUDY_UID) or b"",
        )
        self.turn_to(survey.get(PATIENT_NAME) or b"")
        known = self._objects.get(key)
        if known is None:
            known = self._make(*key, sop_instance)
            if not known.of_object and sum(map(len, key)) <= _LONGEST_KEY:
                if len(self._objects) >= _REMEMBERED:
                    self._objects.clear()
                self._objects[key] = known
        return known

    def turn_to(self, name: bytes) -> None:
        """From here on texts are cleaned of the words of this patient's name, a raw value."""
        if name != self._name:
            self._name, self._own = name, words_of(name.decode("ascii", "ignore"))

    def _make(
        self, patient: bytes, issuer: bytes, charset: bytes, study: bytes, sop_instance: bytes
    ) -> Identity:
        secret = self._secret
        charsets = charset_of(charset)
        value = canonical(patient, charsets)
        study_text = canonical(study, ())
        if value:
            hashed = secret.hashed_id(value, canonical(issuer, charsets) if issuer else None)
        elif study_text:
            hashed = secret.hashed_study(study_text)
        elif sop_instance:
            hashed = secret.hashed_study(canonical(sop_instance, ()))
        else:
            hashed = ""
        shift = (
            int.from_bytes(hmac_sha256(secret.key, b"date-shift\0" + hashed.encode("ascii"))[:8], "big")
            % _SHIFT_DAYS
        )
        study_id = secret.study_id(study_text) if study_text else ""
        of_object = not (value or study_text)
        return Identity(hashed.encode("ascii"), study_id.encode("ascii"), -1 - shift, of_object)

    def encode(self, action: int, _tag: int, raw: bytes, charset: bytes) -> bytes | None:
        """The rewriter's call-back for values that need a character set or the secret; None removes the attribute."""
        key = (action, raw, charset, self._name if action in _CLEANING else b"")
        try:
            return self._values[key]
        except KeyError:
            pass
        value = canonical(raw, charset_of(charset))
        new: bytes | None = None
        if action == _HASH_PATIENT:
            new = self._secret.hashed_id(value).encode("ascii") if value else b""
        elif action == _HASH_ACCESSION:
            new = self._secret.accession(value).encode("ascii") if value else b""
        elif action == _CLEAN_TEXT:
            parts = [clean_text(part, self._own) for part in value.split("\\")]
            new = "\\".join(parts).encode("ascii") if any(parts) else b""
        elif action == _CLEAN_CODE:
            new = clean_code(value, self._own).encode("ascii")
        if len(raw) + len(charset) <= _LONGEST_KEY:
            if len(self._values) >= _REMEMBERED:
                self._values.clear()
            self._values[key] = new
        return new
