"""The audit trail: rows that stay as they were written, whoever tries; and what was done to them is named."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from engine.errors import ConfigError
from engine.platform.audit import SYSTEM, Actor, Audit, AuditKey
from engine.platform.audit.trail import WITHHELD
from engine.platform.audit.verify import Finding, note_anchors, verify
from engine.platform.database import Database
from engine.platform.errors import AuditError

pytest_plugins = ("tests.support.databases",)

KEY = AuditKey(b"k" * 32)
JANE = Actor("person", "jane", "192.0.2.7")


@pytest.fixture
def audit(database: Database) -> Audit:
    return Audit(database, KEY)


def _fill(audit: Audit, rows: int = 6, tenant: str | None = "alpha") -> None:
    for number in range(rows):
        audit.record(
            "look-up",
            actor=JANE,
            tenant=tenant,
            outcome="success",
            subject="a" * 32,
            detail={"found": number},
        )


def _found(audit: Audit, chain: str = "alpha", **options: Path) -> list[tuple[str, int]]:
    return [(one.code, one.number) for one in verify(audit, chain, **options).findings]


def _unguarded(database: Database, *statements: str) -> None:
    """What somebody with full rights on the database can do: first take the triggers away."""
    with database.begin() as connection:
        for name in _triggers(connection):
            drop = f"DROP TRIGGER IF EXISTS {name}" + (
                " ON audit" if database.dialect == "postgresql" else ""
            )
            connection.execute(text(drop))
        for statement in statements:
            connection.execute(text(statement))


def _triggers(connection: Connection) -> list[str]:
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"
    else:
        query = (
            "SELECT DISTINCT trigger_name FROM information_schema.triggers WHERE event_object_table = 'audit'"
        )
        query += " UNION SELECT 'audit_no_truncate'"
    return [str(row[0]) for row in connection.execute(text(query))]


def test_rows_are_numbered_without_gaps_and_each_follows_the_one_before(audit: Audit) -> None:
    _fill(audit)
    rows = list(audit.rows("alpha"))
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row.previous for row in rows] == ["0" * 64, *(row.mark for row in rows[:-1])]
    verified = verify(audit, "alpha")
    assert (verified.rows, verified.mark, verified.findings) == (6, rows[-1].mark, ())


def test_each_institution_has_a_chain_of_its_own(audit: Audit) -> None:
    _fill(audit, 2, "alpha")
    _fill(audit, 3, "beta")
    _fill(audit, 1, None)
    assert audit.chains() == ["", "alpha", "beta"]
    assert [verify(audit, chain).rows for chain in audit.chains()] == [1, 2, 3]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET outcome = 'refused' WHERE number = 2",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit",
        "another way",
        "INSERT INTO audit SELECT * FROM audit WHERE number = 2 ON CONFLICT (chain, number) DO UPDATE SET event = 'x'",
    ],
)
def test_the_database_refuses_to_change_or_remove_a_row(audit: Audit, statement: str) -> None:
    _fill(audit)
    before = list(audit.rows("alpha"))
    if statement == "another way":
        replace = "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE number = 2"
        statement = replace if audit.database.dialect == "sqlite" else "TRUNCATE audit"
    with pytest.raises(DBAPIError, match="append-only"), audit.database.begin() as connection:
        connection.execute(text(statement))
    assert list(audit.rows("alpha")) == before


@pytest.mark.parametrize(
    "column",
    [
        "time",
        "event",
        "outcome",
        "actor_kind",
        "actor_name",
        "actor_address",
        "subject",
        "detail",
        "previous",
        "mark",
    ],
)
def test_a_row_that_was_changed_is_named(audit: Audit, column: str) -> None:
    _fill(audit)
    value = "5" if column == "time" else "'x'"
    _unguarded(audit.database, f"UPDATE audit SET {column} = {value} WHERE number = 3")
    found = _found(audit)
    assert found[0] == ("row-changed", 3)
    assert column != "mark" or found[1:] == [("row-changed", 4)]


def test_two_rows_that_changed_places_are_named(audit: Audit) -> None:
    _fill(audit)
    _unguarded(
        audit.database,
        "UPDATE audit SET number = 99 WHERE number = 3",
        "UPDATE audit SET number = 3 WHERE number = 4",
        "UPDATE audit SET number = 4 WHERE number = 99",
    )
    assert {number for _, number in _found(audit)} >= {3, 4}


def test_a_row_of_another_chain_is_no_row_of_this_one(audit: Audit) -> None:
    _fill(audit, 3, "alpha")
    _fill(audit, 2, "beta")
    _unguarded(
        audit.database,
        "DELETE FROM audit WHERE chain = 'alpha' AND number = 2",
        "UPDATE audit SET chain = 'alpha' WHERE chain = 'beta' AND number = 2",
    )
    assert ("row-changed", 2) in _found(audit)
    assert _found(audit, "beta") == [("tail-missing", 2)]


def test_rows_that_were_removed_are_named(audit: Audit) -> None:
    _fill(audit, 9)
    _unguarded(audit.database, "DELETE FROM audit WHERE number IN (1, 4, 5)")
    findings = verify(audit, "alpha").findings
    assert [(one.code, one.number, one.last) for one in findings] == [
        ("row-missing", 1, 1),
        ("row-missing", 4, 5),
    ]


def test_an_end_that_was_cut_off_is_named(audit: Audit) -> None:
    _fill(audit, 9)
    _unguarded(audit.database, "DELETE FROM audit WHERE number > 6")
    expected = Finding("alpha", 7, "tail-missing", "rows 7 to 9, the last ones, are missing", 9)
    assert verify(audit, "alpha").findings == (expected,)


def test_a_whole_trail_that_was_removed_is_named(audit: Audit) -> None:
    _fill(audit)
    _unguarded(audit.database, "DELETE FROM audit")
    assert "alpha" in audit.chains()
    assert _found(audit) == [("tail-missing", 1)]


def test_an_end_that_was_cut_off_with_the_note_of_it_is_named(audit: Audit) -> None:
    _fill(audit)
    _unguarded(
        audit.database,
        "DELETE FROM audit WHERE number > 4",
        "UPDATE audit_heads SET number = 4, mark = (SELECT mark FROM audit WHERE number = 4)",
    )
    assert _found(audit) == [("head-altered", 4)]
    _unguarded(audit.database, "DELETE FROM audit_heads")
    assert _found(audit) == [("head-missing", 4)]


def test_a_trail_whose_end_was_tampered_with_takes_no_more_rows(audit: Audit) -> None:
    _fill(audit)
    _unguarded(audit.database, "UPDATE audit_heads SET number = 2")
    with pytest.raises(AuditError) as refused:
        _fill(audit)
    assert refused.value.code == "audit-head-altered"


def test_a_trail_that_was_put_back_to_an_older_state_is_found_by_its_anchors(
    audit: Audit, tmp_path: Path
) -> None:
    """As by restoring a backup: every mark is right, also that on the end."""
    anchors = tmp_path / "anchors"
    _fill(audit, 3)
    with audit.database.read() as connection:
        old = connection.execute(text("SELECT * FROM audit_heads")).one()
    _fill(audit, 3)
    note_anchors(anchors, [verify(audit, "alpha", anchors=anchors)])
    _unguarded(
        audit.database,
        "DELETE FROM audit WHERE number > 3",
        f"UPDATE audit_heads SET number = 3, mark = '{old.mark}', head_mark = '{old.head_mark}'",
    )
    assert _found(audit) == [], "without anchors nobody can see it"
    assert _found(audit, anchors=anchors) == [("anchor-missing", 6)]
    _fill(audit, 4)
    assert _found(audit, anchors=anchors) == [("row-changed", 6)]
    note_anchors(anchors, [verify(audit, "alpha", anchors=anchors)])
    assert len(anchors.read_bytes().splitlines()) == 1, "a trail with findings is no anchor"


@pytest.mark.parametrize("content", [b"not JSON\n", b'{"chain": "alpha"}\n', b"[1]\n", b"\xff\n"])
def test_a_file_that_has_no_anchors_is_refused(audit: Audit, tmp_path: Path, content: bytes) -> None:
    _fill(audit, 1)
    (tmp_path / "anchors").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        verify(audit, "alpha", anchors=tmp_path / "anchors")
    assert refused.value.code == "anchors"


def test_whoever_has_no_key_cannot_write_a_row(audit: Audit) -> None:
    _fill(audit, 3)
    forger = Audit(audit.database, AuditKey(b"x" * 32))
    with pytest.raises(AuditError):
        _fill(forger, 1)
    row = list(audit.rows("alpha"))[-1]
    insert = "INSERT INTO audit VALUES ('alpha', 4, 5, 'look-up', 'success', 'person', 'jane', '', '', '{}', :p, :m)"
    with audit.database.begin() as connection:
        connection.execute(text(insert), {"p": row.mark, "m": "0" * 64})
    assert _found(audit) == [("row-changed", 4)]


def test_with_another_key_nothing_verifies(audit: Audit) -> None:
    _fill(audit, 2)
    assert {code for code, _ in _found(Audit(audit.database, AuditKey(b"x" * 32)))} == {
        "row-changed",
        "head-altered",
    }


def test_the_key_never_shows(tmp_path: Path) -> None:
    key = AuditKey.load_or_make(tmp_path / "audit-key")
    secret = (tmp_path / "audit-key").read_text().strip()
    assert len(secret) == 64 and secret not in repr(key) and secret not in repr(vars(key))
    with pytest.raises(TypeError):
        key.__reduce__()
    assert (tmp_path / "audit-key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "audit-key").chmod(0o644)
    with pytest.raises(ConfigError):
        AuditKey.load_or_make(tmp_path / "audit-key")


def _write(url: str, rows: int) -> None:
    database = Database.open(url, migrate=False)
    audit = Audit(database, KEY)
    for number in range(rows):
        _fill(audit, 1, ("alpha", "beta")[number % 2])
    database.close()


def test_several_processes_write_at_once_and_the_chain_holds(audit: Audit, database_url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write, args=(database_url, 40)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(100)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    for chain in ("alpha", "beta"):
        verified = verify(audit, chain)
        assert (verified.rows, verified.number, verified.findings) == (60, 60, ())


def test_what_is_undone_leaves_no_row(audit: Audit) -> None:
    _fill(audit, 1)

    def fails() -> None:
        with audit.database.begin() as connection:
            audit.record_in(connection, "sign-out", actor=JANE, tenant="alpha", outcome="success")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    _fill(audit, 1)
    assert [row.event for row in audit.rows("alpha")] == ["look-up", "look-up"]
    assert _found(audit) == []


@pytest.mark.parametrize(
    "value",
    [
        "DOE^JANE",
        "jane doe",
        "a\r\nb",
        "a\0b",
        "<b>",
        "'; DROP TABLE audit; --",
        "ü",
        "\ud800",
        "x" * 201,
        "x" * 1_000_000,
        "\x1b[2J",
    ],
    ids=lambda value: ascii(value[:12]),
)
def test_text_that_no_id_has_is_withheld_wherever_it_stands(audit: Audit, value: str) -> None:
    audit.record(
        "look-up",
        actor=Actor("person", value, value),
        tenant="alpha",
        outcome="success",
        subject=value,
        detail={"code": value, value: 1},
    )
    audit.record(
        "look-up",
        actor=SYSTEM,
        tenant=value if len(value) > 200 or not value.isascii() else None,
        outcome="success",
    )
    (row,) = audit.rows("alpha")
    assert (row.actor_name, row.actor_address, row.subject) == (WITHHELD,) * 3
    assert orjson.loads(row.detail) == {"code": WITHHELD, WITHHELD: 1}
    assert all(not verify(audit, chain).findings for chain in audit.chains())


@pytest.mark.parametrize("wrong", ["event", "details"])
def test_what_is_no_row_is_refused(audit: Audit, wrong: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "event": lambda: audit.record("looked-up", actor=JANE, tenant="alpha", outcome="success"),
        "details": lambda: audit.record(
            "look-up", actor=JANE, tenant="alpha", outcome="success", detail={f"d{n}": n for n in range(17)}
        ),
    }
    with pytest.raises(ValueError, match="audit"):
        calls[wrong]()
    assert list(audit.rows("alpha")) == []


def test_the_newest_rows_are_paged_backwards(audit: Audit) -> None:
    _fill(audit, 5)
    audit.record("sign-in", actor=JANE, tenant="alpha", outcome="refused")
    assert [row.number for row in audit.latest("alpha", most=2)] == [6, 5]
    assert [row.number for row in audit.latest("alpha", most=2, before=5)] == [4, 3]
    assert [row.event for row in audit.latest("alpha", event="sign-in")] == ["sign-in"]
    assert [row.number for row in audit.rows("alpha", after=2, most=2)] == [3, 4]
