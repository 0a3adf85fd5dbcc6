"""What the index says of objects, series and studies. Times are whole microseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Attributes:
    """What searches show beside the identifiers; "" or None where the object does not say it."""

    study_date: str = ""
    study_time: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_description: str = ""
    patient_sex: str = ""
    series_number: int | None = None
    series_description: str = ""
    instance_number: int | None = None
    frames: int | None = None
    pixel_rows: int | None = None
    pixel_columns: int | None = None


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One stored object. `digest` is BLAKE3 of the plaintext (32 bytes), `received` when it came.

    Of `attributes` a row that was read from the index has those of the instance alone.
    """

    tenant: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    hashed_id: str
    digest: bytes
    length: int
    object_id: str
    wrapped_key: bytes
    master_key_id: str
    sender: str
    received: int
    attributes: Attributes = field(default_factory=Attributes)


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One series of a study."""

    study_instance_uid: str
    series_instance_uid: str
    modality: str
    series_number: int | None
    series_description: str
    objects: int
    last_received: int


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One study in a listing. `bytes` counts the objects' plaintext."""

    study_instance_uid: str
    hashed_id: str
    modalities: tuple[str, ...]
    objects: int
    bytes: int
    last_received: int
    first_received: int
    series: int
    study_date: str
    study_time: str
    accession_number: str
    study_id: str
    study_description: str
    patient_sex: str
