"""The tables of stored objects, and of their series and studies, which are kept with them in one transaction.

A study's row has what a listing shows, so a page of studies is one range of one index however many objects lie
behind it. Times are microseconds since 1970; "" and NULL stand for what an object does not say.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from engine.platform.database.metadata import METADATA


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


OBJECTS = Table(
    "objects",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("sop_instance_uid", Text, primary_key=True),
    _text("study_instance_uid"),
    _text("series_instance_uid"),
    _text("sop_class_uid"),
    _text("transfer_syntax_uid"),
    _text("modality"),
    _text("hashed_id"),
    Column("digest", LargeBinary, nullable=False, comment="BLAKE3 of the plaintext"),
    _number("length"),
    Column("object_id", Text, nullable=False, unique=True),
    Column("wrapped_key", LargeBinary, nullable=False, comment="the data key under the master key, RFC 3394"),
    _text("master_key_id"),
    _text("sender"),
    _number("received"),
    Column("instance_number", Integer),
    Column("frames", Integer),
    Column("pixel_rows", Integer),
    Column("pixel_columns", Integer),
    Index("ix_objects_series", "tenant", "study_instance_uid", "series_instance_uid", "sop_instance_uid"),
)

SERIES = Table(
    "series",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("study_instance_uid", Text, primary_key=True),
    Column("series_instance_uid", Text, primary_key=True),
    _text("modality"),
    Column("series_number", Integer),
    _text("series_description"),
    _number("objects"),
    _number("last_received"),
)

STUDIES = Table(
    "studies",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("study_instance_uid", Text, primary_key=True),
    _text("hashed_id"),
    Column("modalities", Text, nullable=False, comment="sorted, separated by backslashes"),
    _text("study_date"),
    _text("study_time"),
    _text("accession_number"),
    _text("study_id"),
    _text("study_description"),
    _text("patient_sex"),
    _number("series"),
    _number("objects"),
    _number("bytes"),
    _number("first_received"),
    _number("last_received"),
    Index("ix_studies_latest", "tenant", "last_received", "study_instance_uid"),
    Index("ix_studies_patient", "tenant", "hashed_id", "last_received"),
    Index("ix_studies_accession", "tenant", "accession_number"),
)
