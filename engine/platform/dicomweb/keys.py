"""Which attributes a search can match and returns, level by level (PS3.18 Table 10.6.1-5 and 10.6.3-3 to -5): a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement

from engine.platform.database.objects import OBJECTS, SERIES, STUDIES


class Matching(Enum):
    """How a value is compared (PS3.4 C.2.2.2)."""

    TEXT = auto()  # single value, or wildcards
    UID = auto()  # a list of UIDs
    DATE = auto()  # a date, or a range of dates
    NUMBER = auto()
    AMONG = auto()  # one of several values, kept with backslashes between
    NONE = auto()  # returned only


class Level(Enum):
    """What a search looks for."""

    STUDY = auto()
    SERIES = auto()
    INSTANCE = auto()


@dataclass(frozen=True, slots=True)
class Key:
    """One attribute: its tag as DICOM JSON writes it, its VR, where its value stands, and how it is matched."""

    level: Level
    keyword: str
    tag: str
    vr: str
    column: ColumnElement[Any]
    matching: Matching


_S, _E, _O = STUDIES.c, SERIES.c, OBJECTS.c
_TEXT, _UID, _NUMBER, _NONE = Matching.TEXT, Matching.UID, Matching.NUMBER, Matching.NONE

KEYS: tuple[Key, ...] = (
    Key(Level.STUDY, "StudyDate", "00080020", "DA", _S.study_date, Matching.DATE),
    Key(Level.STUDY, "StudyTime", "00080030", "TM", _S.study_time, _NONE),
    Key(Level.STUDY, "AccessionNumber", "00080050", "SH", _S.accession_number, _TEXT),
    Key(Level.STUDY, "ModalitiesInStudy", "00080061", "CS", _S.modalities, Matching.AMONG),
    Key(Level.STUDY, "StudyDescription", "00081030", "LO", _S.study_description, _TEXT),
    Key(Level.STUDY, "PatientID", "00100020", "LO", _S.hashed_id, _TEXT),
    Key(Level.STUDY, "PatientSex", "00100040", "CS", _S.patient_sex, _NONE),
    Key(Level.STUDY, "StudyInstanceUID", "0020000D", "UI", _S.study_instance_uid, _UID),
    Key(Level.STUDY, "StudyID", "00200010", "SH", _S.study_id, _TEXT),
    Key(Level.STUDY, "NumberOfStudyRelatedSeries", "00201206", "IS", _S.series, _NONE),
    Key(Level.STUDY, "NumberOfStudyRelatedInstances", "00201208", "IS", _S.objects, _NONE),
    Key(Level.SERIES, "Modality", "00080060", "CS", _E.modality, _TEXT),
    Key(Level.SERIES, "SeriesDescription", "0008103E", "LO", _E.series_description, _TEXT),
    Key(Level.SERIES, "SeriesInstanceUID", "0020000E", "UI", _E.series_instance_uid, _UID),
    Key(Level.SERIES, "SeriesNumber", "00200011", "IS", _E.series_number, _NUMBER),
    Key(Level.SERIES, "NumberOfSeriesRelatedInstances", "00201209", "IS", _E.objects, _NONE),
    Key(Level.INSTANCE, "SOPClassUID", "00080016", "UI", _O.sop_class_uid, _UID),
    Key(Level.INSTANCE, "SOPInstanceUID", "00080018", "UI", _O.sop_instance_uid, _UID),
    Key(Level.INSTANCE, "InstanceNumber", "00200013", "IS", _O.instance_number, _NUMBER),
    Key(Level.INSTANCE, "NumberOfFrames", "00280008", "IS", _O.frames, _NONE),
    Key(Level.INSTANCE, "Rows", "00280010", "US", _O.pixel_rows, _NONE),
    Key(Level.INSTANCE, "Columns", "00280011", "US", _O.pixel_columns, _NONE),
    Key(Level.INSTANCE, "AvailableTransferSyntaxUID", "00083002", "UI", _O.transfer_syntax_uid, _NONE),
)

BY_NAME: Mapping[str, Key] = MappingProxyType({name: key for key in KEYS for name in (key.keyword, key.tag)})


def returned(level: Level) -> list[Key]:
    """What a search at this level returns: its own attributes and those of the levels above."""
    return [key for key in KEYS if key.level.value <= level.value]
