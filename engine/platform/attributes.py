"""The attributes of an object that searches show beside its identifiers. What is odd in them is left out: an object is never
refused for a description.
"""

from __future__ import annotations

from engine._native.survey import Survey
from engine.errors import Refusal
from engine.platform.rows import Attributes
from engine.pseudonymize.specific_character_set import decode

_CHARSET = 0x00080005
_STUDY_DATE, _STUDY_TIME, _ACCESSION = 0x00080020, 0x00080030, 0x00080050
_STUDY_DESCRIPTION, _SERIES_DESCRIPTION, _SEX = 0x00081030, 0x0008103E, 0x00100040
_STUDY_ID, _SERIES_NUMBER, _INSTANCE_NUMBER = 0x00200010, 0x00200011, 0x00200013
_FRAMES, _ROWS, _COLUMNS = 0x00280008, 0x00280010, 0x00280011

WANTED = (
    *(_CHARSET, _STUDY_DATE, _STUDY_TIME, _ACCESSION, _STUDY_DESCRIPTION, _SERIES_DESCRIPTION, _SEX),
    *(_STUDY_ID, _SERIES_NUMBER, _INSTANCE_NUMBER, _FRAMES, _ROWS, _COLUMNS),
)
LAST = _COLUMNS
_BIG_ENDIAN = 2
_LONGEST = 64  # characters, the longest value of VR LO
_MOST = 2**31 - 1


def attributes_of(survey: Survey, syntax: int) -> Attributes:
    """The attributes among what a survey found; `syntax` as in `reader.Meta`."""
    charset = (survey.get(_CHARSET) or b"").decode("ascii", "replace")

    def text(tag: int) -> str:
        return _text(survey.get(tag) or b"", charset)

    return Attributes(
        study_date=text(_STUDY_DATE),
        study_time=text(_STUDY_TIME),
        accession_number=text(_ACCESSION),
        study_id=text(_STUDY_ID),
        study_description=text(_STUDY_DESCRIPTION),
        patient_sex=text(_SEX),
        series_number=_whole(survey.get(_SERIES_NUMBER)),
        series_description=text(_SERIES_DESCRIPTION),
        instance_number=_whole(survey.get(_INSTANCE_NUMBER)),
        frames=_whole(survey.get(_FRAMES)),
        pixel_rows=_short(survey.raw(_ROWS), syntax),
        pixel_columns=_short(survey.raw(_COLUMNS), syntax),
    )


def _text(value: bytes, charset: str) -> str:
    try:
        text = decode(value, charset)
    except Refusal:
        return ""
    return text if len(text) <= _LONGEST and text.isprintable() else ""


def _whole(value: bytes | None) -> int | None:
    """An integer string (VR IS)."""
    text = (value or b"").strip()
    digits = text[1:] if text[:1] in {b"+", b"-"} else text
    if not digits.isdigit() or len(digits) > 10:
        return None
    number = int(text)
    return number if -_MOST <= number <= _MOST else None


def _short(value: bytes | None, syntax: int) -> int | None:
    """An unsigned short (VR US)."""
    if value is None or len(value) != 2:
        return None
    return int.from_bytes(value, "big" if syntax & _BIG_ENDIAN else "little")
