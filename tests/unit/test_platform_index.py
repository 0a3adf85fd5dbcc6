"""The index in SQLite and in PostgreSQL: transactions, sums, and the index of the version before."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from engine.errors import ConfigError
from engine.platform.database import Database
from engine.platform.index import Attributes, Index, IndexRow
from engine.platform.takeover import take_over

pytest_plugins = ("tests.support.databases",)


@pytest.fixture
def index(database: Database) -> Index:
    return Index(database)


def row(number: int, **changes: object) -> IndexRow:
    values: dict[str, object] = {
        "tenant": "t",
        "sop_instance_uid": f"1.{number}",
        "study_instance_uid": "2.1",
        "series_instance_uid": "3.1",
        "sop_class_uid": "4.1",
        "transfer_syntax_uid": "5.1",
        "modality": "CT",
        "hashed_id": "a",
        "digest": bytes(32),
        "length": 10,
        "object_id": f"{number:032x}",
        "wrapped_key": bytes(40),
        "master_key_id": "k",
        "sender": "s",
        "received": number,
    }
    return IndexRow(**{**values, **changes})  # type: ignore[arg-type]


def test_the_index_forgets_a_transaction_that_fails(index: Index) -> None:
    with index.transaction() as writing:
        writing.add([row(1)])

    def add_two() -> None:
        with index.transaction() as writing:
            writing.add([row(2)])
            writing.add([row(3, hashed_id=None)])

    with pytest.raises(IntegrityError):
        add_two()
    assert index.find("t", "1.1") == row(1)
    assert index.find("t", "1.2") is None
    assert index.find("other", "1.1") is None
    assert index.holds([f"{1:032x}", f"{2:032x}"]) == {f"{1:032x}"}
    assert [study.objects for study in index.studies("t", None, None, 10, 0)] == [1]


def test_studies_are_summed_up_by_tenant(index: Index) -> None:
    with index.transaction() as writing:
        writing.add([row(number, modality=("CT", "SR")[number % 2]) for number in range(4)])
        writing.add([row(9, study_instance_uid="2.2", hashed_id="b"), row(8, tenant="u")])
    [first, second] = index.studies("t", None, None, 10, 0)
    assert (first.study_instance_uid, first.objects) == ("2.2", 1)
    assert (second.modalities, second.objects, second.bytes, second.last_received) == (("CT", "SR"), 4, 40, 3)
    assert index.studies("t", "a", None, 10, 0) == [second]
    assert index.studies("t", "a", "2.2", 10, 0) == []
    assert index.studies("t", None, None, 1, 1) == [second]
    assert [one.sop_instance_uid for one in index.instances("t", "2.1", 2, 1)] == ["1.1", "1.2"]


def test_a_study_grows_with_each_transaction(index: Index) -> None:
    for number in range(3):
        with index.transaction() as writing:
            writing.add(
                [row(number, modality=("CT", "MR", "CT")[number], series_instance_uid=f"3.{number % 2}")]
            )
    [study] = index.studies("t", None, None, 10, 0)
    assert (study.objects, study.bytes, study.series, study.modalities) == (3, 30, 2, ("CT", "MR"))
    assert (study.first_received, study.last_received) == (0, 2)
    assert [(one.series_instance_uid, one.objects) for one in index.series("t", "2.1", 10, 0)] == [
        ("3.0", 2),
        ("3.1", 1),
    ]


def test_what_is_removed_is_not_counted_any_more(index: Index) -> None:
    with index.transaction() as writing:
        writing.add([row(1), row(2, series_instance_uid="3.2"), row(3, study_instance_uid="2.9")])
    with index.transaction() as writing:
        writing.remove([row(2, series_instance_uid="3.2"), row(3, study_instance_uid="2.9")])
    [study] = index.studies("t", None, None, 10, 0)
    assert (study.study_instance_uid, study.objects, study.bytes, study.series) == ("2.1", 1, 10, 1)
    assert [one.series_instance_uid for one in index.series("t", "2.1", 10, 0)] == ["3.1"]


def test_attributes_of_study_series_and_instance_are_kept(index: Index) -> None:
    told = Attributes(
        study_date="20260102",
        study_description="Head 'n neck; DROP TABLE objects",
        series_number=4,
        series_description="axial",
        instance_number=7,
        frames=3,
    )
    with index.transaction() as writing:
        writing.add([row(1, attributes=told)])
    [study] = index.studies("t", None, None, 1, 0)
    assert (study.study_date, study.study_description) == (told.study_date, told.study_description)
    [series] = index.series("t", "2.1", 1, 0)
    assert (series.series_number, series.series_description) == (4, "axial")
    [instance] = index.instances("t", "2.1", 1, 0)
    assert instance.attributes == Attributes(instance_number=7, frames=3)


def former_index(root: Path, rows: list[IndexRow]) -> Path:
    """An index as the version before wrote it."""
    names = [one.name for one in dataclasses.fields(IndexRow) if one.name != "attributes"]
    with closing(sqlite3.connect(root / "index.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            f"CREATE TABLE objects ({', '.join(names)}, PRIMARY KEY (tenant, sop_instance_uid))"
        )
        values = [tuple(getattr(one, name) for name in names) for one in rows]
        connection.executemany(f"INSERT INTO objects VALUES ({', '.join('?' * len(names))})", values)
        connection.commit()
    return root / "index.sqlite"


def test_the_index_of_the_version_before_is_taken_over_once(index: Index, tmp_path: Path) -> None:
    rows = [row(number, study_instance_uid=f"2.{number % 7}") for number in range(1200)]
    former = former_index(tmp_path, rows)
    assert take_over(tmp_path, index) == 1200
    assert not former.exists()
    assert take_over(tmp_path, index) == 0
    assert index.find("t", "1.17") == rows[17]
    assert sum(study.objects for study in index.studies("t", None, None, 10, 0)) == 1200


def test_a_take_over_that_was_interrupted_is_made_again(index: Index, tmp_path: Path) -> None:
    former_index(tmp_path, [row(1), row(2)])
    with index.transaction() as writing:
        writing.add([row(1)])
    assert take_over(tmp_path, index) == 1
    [study] = index.studies("t", None, None, 10, 0)
    assert study.objects == 2


def test_a_former_index_that_is_damaged_stops_the_start(index: Index, tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(ConfigError, match="former index"):
        take_over(tmp_path, index)
    assert (tmp_path / "index.sqlite").exists()
