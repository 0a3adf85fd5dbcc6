"""Institutions, objects with their series and studies, and the vault."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001_objects"
down_revision = None
branch_labels = None
depends_on = None


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "institutions",
        sa.Column("name", sa.Text(), nullable=False, comment="[a-z0-9-]{1,63}"),
        sa.Column("title", sa.Text(), nullable=False, comment="what people call it"),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="microseconds since 1970"),
        sa.PrimaryKeyConstraint("name", name="pk_institutions"),
    )
    _objects()
    _studies()
    _vault()


def _objects() -> None:
    op.create_table(
        "objects",
        *_texts("tenant", "sop_instance_uid", "study_instance_uid", "series_instance_uid", "sop_class_uid"),
        *_texts("transfer_syntax_uid", "modality", "hashed_id"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="BLAKE3 of the plaintext"),
        *_numbers("length"),
        *_texts("object_id"),
        sa.Column(
            "wrapped_key",
            sa.LargeBinary(),
            nullable=False,
            comment="the data key under the master key, RFC 3394",
        ),
        *_texts("master_key_id", "sender"),
        *_numbers("received"),
        sa.Column("instance_number", sa.Integer()),
        sa.Column("frames", sa.Integer()),
        sa.Column("pixel_rows", sa.Integer()),
        sa.Column("pixel_columns", sa.Integer()),
        sa.PrimaryKeyConstraint("tenant", "sop_instance_uid", name="pk_objects"),
        sa.UniqueConstraint("object_id", name="uq_objects_object_id"),
    )
    columns = ["tenant", "study_instance_uid", "series_instance_uid", "sop_instance_uid"]
    op.create_index("ix_objects_series", "objects", columns)


def _studies() -> None:
    op.create_table(
        "series",
        *_texts("tenant", "study_instance_uid", "series_instance_uid", "modality"),
        sa.Column("series_number", sa.Integer()),
        *_texts("series_description"),
        *_numbers("objects", "last_received"),
        sa.PrimaryKeyConstraint("tenant", "study_instance_uid", "series_instance_uid", name="pk_series"),
    )
    op.create_table(
        "studies",
        *_texts("tenant", "study_instance_uid", "hashed_id"),
        sa.Column("modalities", sa.Text(), nullable=False, comment="sorted, separated by backslashes"),
        *_texts("study_date", "study_time", "accession_number", "study_id", "study_description"),
        *_texts("patient_sex"),
        *_numbers("series", "objects", "bytes", "first_received", "last_received"),
        sa.PrimaryKeyConstraint("tenant", "study_instance_uid", name="pk_studies"),
    )
    op.create_index("ix_studies_latest", "studies", ["tenant", "last_received", "study_instance_uid"])
    op.create_index("ix_studies_patient", "studies", ["tenant", "hashed_id", "last_received"])
    op.create_index("ix_studies_accession", "studies", ["tenant", "accession_number"])


def _vault() -> None:
    op.create_table(
        "vault_secrets",
        *_texts("tenant"),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False, comment="the version, from 1"),
        *_texts("key_id"),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=False,
            comment="nonce, ciphertext and tag of AES-256-GCM",
        ),
        sa.Column(
            "wrapped_key",
            sa.LargeBinary(),
            nullable=False,
            comment="the data key under the master key, RFC 3394",
        ),
        *_texts("master_key_id"),
        *_numbers("created"),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "number", name="pk_vault_secrets"),
        sa.ForeignKeyConstraint(["tenant"], ["institutions.name"], name="fk_vault_secrets_tenant"),
        sa.UniqueConstraint("tenant", "key_id", name="uq_vault_secrets_tenant_key_id"),
    )
    op.create_table(
        "master_key",
        sa.Column("one", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column(
            "key_id", sa.Text(), nullable=False, comment="the master key that all data keys are wrapped by"
        ),
        sa.PrimaryKeyConstraint("one", name="pk_master_key"),
        sa.CheckConstraint("one = 1", name=op.f("ck_master_key_one_row")),
    )
