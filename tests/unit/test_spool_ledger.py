"""The ledger follows the objects, for several writers, and never stands in the way."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.errors import SpoolError
from engine.spool import ledger as module
from engine.spool.ledger import Ledger


def connection(ledger: Ledger) -> sqlite3.Connection:
    assert ledger._connection is not None
    return ledger._connection


ONE = "a" * 16 + "-00000001"


def test_the_steps_of_two_processes_meet_in_one_row(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as coordinator, Ledger.open(path) as uploader:
        coordinator.note("received", ONE, at=1.0, bytes_received=7)
        coordinator.note("rewritten", ONE, at=2.0, hashed_id="h", study="2.25.1", sop="2.25.2")
        assert coordinator.flush()
        uploader.note("receipted", ONE, at=3.0, digest="d")
        uploader.note("deleted", ONE, at=4.0)
        assert uploader.flush()
    with Ledger.open(path, read_only=True) as ledger:
        for word in (ONE, "h", "2.25.1", "2.25.2"):
            (row,) = ledger.find(word)
            assert (row.received, row.rewritten, row.receipted, row.deleted) == (1.0, 2.0, 3.0, 4.0)
        assert ledger.find("unknown") == []
        assert ledger.totals() == {
            "received": 1, "rewritten": 1, "uploaded": 0, "receipted": 1, "deleted": 1, "quarantined": 0,
        }  # fmt: skip


def test_a_repeated_step_keeps_its_first_time(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l") as ledger:
        for at in (5.0, 9.0):
            ledger.note("received", ONE, at=at)
            ledger.flush()
        assert ledger.find(ONE)[0].received == 5.0


def test_rows_wait_while_another_process_holds_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "l"
    with Ledger.open(path) as ledger:
        connection(ledger).execute("PRAGMA busy_timeout = 1")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        ledger.note("received", ONE)
        assert not ledger.flush()
        assert ledger.waiting == 1
        other.execute("ROLLBACK")
        other.close()
        assert ledger.flush()
        assert len(ledger.find(ONE)) == 1


def test_a_ledger_that_cannot_be_written_forgets_the_oldest_rows_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING", 3)
    with Ledger.open(tmp_path / "l") as ledger:
        for number in range(5):
            ledger.note("received", f"{number}")
        assert (ledger.waiting, ledger.dropped) == (3, 2)
        ledger.flush()
        assert [bool(ledger.find(f"{number}")) for number in range(5)] == [False, False, True, True, True]


def test_a_full_disk_leaves_the_rows_waiting(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l") as ledger:
        pages = connection(ledger).execute("PRAGMA page_count").fetchone()[0]
        connection(ledger).execute(f"PRAGMA max_page_count = {pages}")
        for number in range(2000):
            ledger.note("received", f"object-{number}", digest="d" * 64)
        assert not ledger.flush()
        assert ledger.waiting == 2000
        connection(ledger).execute("PRAGMA max_page_count = 100000")
        assert ledger.flush()
        assert ledger.totals()["received"] == 2000


def test_a_step_or_fact_that_the_ledger_does_not_know_is_a_mistake(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l") as ledger:
        with pytest.raises(ValueError, match="no column"):
            ledger.note("eaten", ONE)
        with pytest.raises(ValueError, match="patient_name"):
            ledger.note("received", ONE, patient_name="x")


def test_a_file_that_is_no_ledger_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(SpoolError, match=r"ledger\.sqlite.*move it away"):
        Ledger.open(path)


def test_reading_a_ledger_that_is_not_there_makes_none(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="ever been started"):
        Ledger.open(tmp_path / "l", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_the_ledger_is_for_its_owner_alone(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l") as ledger:
        ledger.note("received", ONE)
        ledger.flush()
        assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_ledger_that_cannot_be_opened_yet_opens_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    with Ledger.open(folder / "l") as ledger:  # as on a full disk, SQLite is unable to open the file
        ledger.note("received", ONE)
        assert not ledger.flush()
        with pytest.raises(SpoolError, match="cannot be opened now"):
            ledger.find(ONE)
        folder.mkdir()
        assert ledger.flush()
        assert len(ledger.find(ONE)) == 1


def test_a_ledger_of_a_former_version_is_read_and_gets_the_new_columns(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with Ledger.open(path) as ledger:
        ledger.note("receipted", ONE, at=3.0, digest="d")
    with sqlite3.connect(path) as old:
        for name in module.LATER:
            old.execute(f"ALTER TABLE object DROP COLUMN {name}")
    old.close()
    with Ledger.open(path, read_only=True) as ledger:
        [row] = ledger.find(ONE)
        assert (row.digest, row.receipt, row.destination) == ("d", None, None)
        assert ledger.receipts() == {}
    with Ledger.open(path) as one, Ledger.open(path) as two:
        two.note("receipted", "b" * 16 + "-00000001", receipt="file", destination="export")
        assert two.flush()
        assert one.receipts() == {"": {"": 1}, "export": {"file": 1}}
