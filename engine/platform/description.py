"""What an object says of itself in its first bytes, read while the rest of it still arrives.

An object is taken only as a DICOM file (PS3.10 7.1) whose data set says Patient Identity Removed = YES
(0012,0062).
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from engine._native import reader
from engine._native.survey import Survey, Wanted, survey
from engine.errors import Refusal
from engine.platform import attributes
from engine.platform.rows import Attributes

FIRST_TRY = 1 << 16
ENOUGH_PREFIX = 256 << 10
MOST_PREFIX = 4 << 20
_UNKNOWN_SIZE = 1 << 62
_PREAMBLE = 132
_SOP_CLASS, _SOP_INSTANCE, _MODALITY = 0x00080016, 0x00080018, 0x00080060
_PATIENT_ID, _IDENTITY_REMOVED = 0x00100020, 0x00120062
_STUDY, _SERIES = 0x0020000D, 0x0020000E
_NEEDED = (_SOP_CLASS, _SOP_INSTANCE, _MODALITY, _PATIENT_ID, _IDENTITY_REMOVED, _STUDY, _SERIES)
_LOOKED_FOR = Wanted((*_NEEDED, *attributes.WANTED))
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_LONGEST_UID = 64
_EXPLICIT_LITTLE_ENDIAN = 1


@dataclass(frozen=True, slots=True)
class Description:
    """The attributes that the index keeps. UIDs are checked to be UIDs; the rest are bounded strings."""

    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    modality: str
    hashed_id: str
    attributes: Attributes


class DescriptionReader:
    """Collects the first bytes of one object until they describe it.

    `feed` all of the object's bytes, then call `finish`; both raise Refusal with the code "not-dicom",
    "not-pseudonymized", "missing-attribute", "head-too-long" or one of the native reader's. No message
    holds a value.
    """

    def __init__(self) -> None:
        self._prefix = bytearray()
        self._needed = FIRST_TRY
        self._description: Description | None = None

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the object; cheap once the description is known."""
        if self._description is not None:
            return
        self._prefix += data
        if len(self._prefix) >= self._needed:
            self._try(_UNKNOWN_SIZE)

    def finish(self) -> Description:
        """The description, now that all bytes were fed."""
        if self._description is None:
            self._try(len(self._prefix))
        if self._description is None:
            raise Refusal("truncated", "the object ends before its Series Instance UID")
        return self._description

    def _try(self, size: int) -> None:
        try:
            self._description = describe(self._prefix, size)
        except reader.NeedMore as need:
            self._needed = min(max(need.upto, 2 * len(self._prefix)), MOST_PREFIX)
            if len(self._prefix) >= MOST_PREFIX:
                raise Refusal(
                    "head-too-long", f"no Series Instance UID in the first {MOST_PREFIX} bytes"
                ) from None
            return
        self._prefix = bytearray()


def describe(prefix: bytes | bytearray, size: int) -> Description:
    """Read a description from the first bytes of an object of `size` bytes.

    Raises Refusal, or the native reader's NeedMore while the prefix is shorter than the object and too short.
    """
    if len(prefix) < _PREAMBLE or prefix[_PREAMBLE - 4 : _PREAMBLE] != b"DICM":
        raise Refusal("not-dicom", "the part is not a DICOM file: it has no DICM prefix")
    try:
        meta = reader.read_meta(prefix, size)
        if meta.deflated:
            data, size = _inflate(prefix, meta.start, size)
            syntax = _EXPLICIT_LITTLE_ENDIAN
            survey = _survey(data, size, 0, syntax)
        else:
            syntax = meta.syntax
            survey = _survey(prefix, size, meta.start, syntax)
    except reader.Refused as refused:
        raise Refusal(refused.code, refused.message, offset=refused.offset, tag=refused.tag) from None
    if survey.get(_IDENTITY_REMOVED) != b"YES":
        raise Refusal(
            "not-pseudonymized",
            "Patient Identity Removed is not YES",
            tag=_IDENTITY_REMOVED,
            hint="send it through a gateway",
        )
    return Description(
        transfer_syntax_uid=_uid(meta.transfer_syntax.encode(), 0x00020010),
        sop_class_uid=_uid(survey.get(_SOP_CLASS), _SOP_CLASS),
        sop_instance_uid=_uid(survey.get(_SOP_INSTANCE), _SOP_INSTANCE),
        study_instance_uid=_uid(survey.get(_STUDY), _STUDY),
        series_instance_uid=_uid(survey.get(_SERIES), _SERIES),
        modality=_text(survey.get(_MODALITY) or b"", _MODALITY, 0, 16),
        hashed_id=_text(survey.get(_PATIENT_ID) or b"", _PATIENT_ID, 1, 64),
        attributes=attributes.attributes_of(survey, syntax),
    )


def _survey(head: bytes | bytearray, size: int, start: int, syntax: int) -> Survey:
    """What is needed, and what searches show, which stands further behind: where that is too far away or does not parse, what
    is needed alone.
    """
    try:
        return survey(head, size, start, syntax, _LOOKED_FOR, attributes.LAST)
    except reader.NeedMore:
        if len(head) < ENOUGH_PREFIX:
            raise
    except reader.Refused:
        pass  # the shorter survey says whether it matters
    return survey(head, size, start, syntax, _LOOKED_FOR, _SERIES)


def _inflate(prefix: bytes | bytearray, start: int, size: int) -> tuple[bytes, int]:
    """The first bytes of a deflated data set (PS3.5 A.5), bounded whatever they inflate to."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(memoryview(prefix)[start:], MOST_PREFIX)
    except zlib.error:
        raise Refusal("not-dicom", "the deflated data set does not inflate", offset=start) from None
    whole = len(prefix) == size and inflater.eof
    return data, len(data) if whole else _UNKNOWN_SIZE


def _uid(value: bytes | None, tag: int) -> str:
    text = (value or b"").decode("ascii", "replace")
    if len(text) > _LONGEST_UID or not _UID.fullmatch(text):
        raise Refusal("missing-attribute", "a UID is missing or not a UID", tag=tag)
    return text


def _text(value: bytes, tag: int, shortest: int, longest: int) -> str:
    """A short value as printable ASCII: the gateway writes nothing else into these attributes."""
    text = value.decode("ascii", "replace")
    if not shortest <= len(text) <= longest or any(not " " <= c <= "~" for c in text):
        raise Refusal("missing-attribute", "a value is missing or not plain text", tag=tag)
    return text
