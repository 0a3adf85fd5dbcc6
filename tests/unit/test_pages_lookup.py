"""The calculator's core: what the gateway puts into objects, and a table that does no harm."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

import engine.pseudonymize
from engine.pages.lists import parse_text
from engine.pages.lookup import Found, Version, calculate, hashed_ids, with_found
from engine.pages.tables import csv_bytes, lookup_csv
from engine.pseudonymize.identity import HashSecret

FIRST, SECOND = HashSecret(b"1" * 32), HashSecret(b"2" * 32)
VERSIONS = [Version(1, FIRST, current=False), Version(2, SECOND, current=True)]


def test_the_page_computes_what_the_gateway_does() -> None:
    vectors = json.loads((Path(engine.pseudonymize.__file__).parent / "vectors.json").read_text("utf-8"))
    secret = HashSecret(bytes.fromhex(vectors["secret"]))
    checked = 0
    for vector in vectors["identifiers"]:
        if vector["hash"] == "hashed_id":
            (row,) = calculate(
                parse_text(vector["value"]).entries, [Version(1, secret, True)], vector.get("issuer", "")
            )
            assert row.hashed[0].value == vector["result"]
            checked += 1
    assert checked >= 3


def test_every_version_answers_and_the_current_one_stands_first() -> None:
    (row,) = calculate(parse_text("007").entries, VERSIONS)
    assert [(one.version, one.current, one.key_id) for one in row.hashed] == [
        (2, True, SECOND.key_id),
        (1, False, FIRST.key_id),
    ]
    assert row.hashed[0].value == SECOND.hashed_id("007")
    assert row.hashed[1].value == FIRST.hashed_id("007")
    assert "007" not in repr(row)


def test_issuers_count_only_where_the_institution_counts_them() -> None:
    entries = parse_text("Patient ID;Issuer\n7;WARD\n8;").entries
    ignored = calculate(entries, VERSIONS[1:])
    counted = calculate(entries, VERSIONS[1:], "HOUSE")
    assert ignored[0].hashed[0].value == SECOND.hashed_id("7")
    assert counted[0].hashed[0].value == SECOND.hashed_id("7", "WARD")
    assert counted[1].hashed[0].value == SECOND.hashed_id("8", "HOUSE")


def test_an_id_that_is_not_used_has_a_reason_and_no_hash() -> None:
    rows = calculate(parse_text("7\n1\x002\n" + "A" * 300).entries, VERSIONS)
    assert [len(row.hashed) for row in rows] == [2, 0, 0]
    assert all(row.problem for row in rows[1:])


def test_the_platform_is_asked_for_each_hash_once_and_for_nothing_else() -> None:
    rows = calculate(parse_text("7\n8\n7").entries, VERSIONS)
    asked = hashed_ids(rows)
    assert len(asked) == 4
    assert all(len(value) == 32 and int(value, 16) >= 0 for value in asked)


def test_studies_of_all_versions_are_counted_together() -> None:
    (row,) = calculate(parse_text("7").entries, VERSIONS)
    found = {FIRST.hashed_id("7"): Found(2, 20), SECOND.hashed_id("7"): Found(1, 5)}
    assert row.studies is None
    (told,) = with_found([row], found)
    assert (told.studies, told.objects) == (3, 25)


def _read(content: bytes) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_table_has_a_line_for_each_hash_and_ids_only_when_asked() -> None:
    rows = with_found(calculate(parse_text("0070\n8\n1\x002").entries, VERSIONS), {})
    without, with_ids = (lookup_csv(rows, with_patient_ids=wanted) for wanted in (False, True))
    assert b"0070" not in without
    read = _read(with_ids)
    assert [line["Patient ID"] for line in read] == ["0070", "0070", "8", "8", "1\ufffd2"]
    assert read[0]["Hashed ID"] == SECOND.hashed_id("0070")
    assert (read[0]["Current"], read[1]["Current"], read[0]["Studies"]) == ("yes", "no", "0")
    assert read[4]["Hashed ID"] == ""
    assert read[4]["Remark"].startswith("not used")


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_no_cell_is_a_formula(value: str) -> None:
    (row,) = calculate(parse_text(value).entries, VERSIONS[1:])
    assert row.hashed[0].value == SECOND.hashed_id(value)
    (line,) = _read(lookup_csv([row], with_patient_ids=True))
    assert line["Patient ID"] == "'" + value


def test_quotes_and_lines_in_a_cell_stay_in_the_cell() -> None:
    content = csv_bytes(["a", "b"], [['x"y,z', "1\r\n2"]])
    assert _read(content) == [{"a": 'x"y,z', "b": "1\r\n2"}]
