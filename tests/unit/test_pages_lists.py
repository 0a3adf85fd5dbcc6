"""Patient IDs out of whatever people paste: zeros stay, nothing is guessed silently."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pages.lists import MOST_IDS, ListError, parse_file, parse_text, relist


def _values(text: str, column: str = "") -> list[str]:
    return [entry.value for entry in parse_text(text, column).entries]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0012345", ["0012345"]),
        ("  0012345 \t", ["0012345"]),
        ("\ufeff0012345\u00a0", ["0012345"]),
        ("\u200b007\u200b", ["007"]),
        ("001\r\n002\r\n\r\n003", ["001", "002", "003"]),
        ("001\r002", ["001", "002"]),
        ("001, 002,003", ["001", "002", "003"]),
        ("001;002;", ["001", "002"]),
        ("001\t002", ["001", "002"]),
        ('"001","00,2"', ["001", "00,2"]),
        ('"001"\n"0""2"', ["001", '0"2']),
        ('="00123"', ["00123"]),
        ("A B\nC D", ["A B", "C D"]),
        ("O'Neill-7\n<b>8</b>", ["O'Neill-7", "<b>8</b>"]),
        ("患者一\nMüller", ["患者一", "Müller"]),
        ("PatientID\n1\n2", ["1", "2"]),
        ("Patient ID\n001", ["001"]),
        ("Patienten-Nr.;Name\n001;Abel\n002;Beck", ["001", "002"]),
        ("Name,MRN\nAbel,001\nBeck,002", ["001", "002"]),
        ("ID,Patient ID\n1,001\n2,002", ["001", "002"]),
        ("(0010,0020)|Name\n7|A", ["7"]),
        ("00100020|Name\n7|A", ["7"]),
        ('Name;Patient ID\n"Abel; Dr.";001\n"Beck\nzwei";002', ["001", "002"]),
        ("001\t1970\n002\t1980", ["001", "002"]),
        ("a,b\nc\nd\ne", ["a,b", "c", "d", "e"]),
    ],
)  # fmt: skip
def test_ids_are_found_as_people_write_them(text: str, values: list[str]) -> None:
    assert _values(text) == values


def test_the_column_can_be_named_by_heading_or_number() -> None:
    table = "Case;Nummer\n9;001\n8;002"
    assert _values(table, "nummer") == ["001", "002"]
    assert _values(table, "2") == ["001", "002"]
    with pytest.raises(ListError) as refused:
        _values(table, "Patient")
    assert refused.value.code == "list-column"
    assert "“Nummer”" in refused.value.hint


def test_an_unclear_column_is_asked_for() -> None:
    with pytest.raises(ListError) as refused:
        _values("Name,Kennung\nAbel,001\nBeck,002")
    assert refused.value.code == "list-column"
    assert "“Kennung”" in refused.value.hint


def test_a_table_without_headings_says_which_column_was_taken() -> None:
    parsed = parse_text("001,1970\n002,1980")
    assert [entry.line for entry in parsed.entries] == [1, 2]
    assert any("column number 1" in note for note in parsed.notes)


def test_lines_are_counted_as_in_the_file() -> None:
    parsed = parse_text('Patient ID;Note\n1;"a\nb"\n\n2;c')
    assert [(entry.line, entry.value) for entry in parsed.entries] == [(3, "1"), (5, "2")]


def test_a_column_of_issuers_goes_with_the_ids() -> None:
    parsed = parse_text("Patient ID;Issuer of Patient ID\n001; WARD \n002;")
    assert [(entry.value, entry.issuer) for entry in parsed.entries] == [("001", "WARD"), ("002", "")]


@pytest.mark.parametrize(
    ("content", "values", "noted"),
    [
        (b"\xef\xbb\xbfPatientID\r\n001\r\n", ["001"], False),
        ("M\u00fcller".encode(), ["Müller"], False),
        ("M\u00fcller\n1\u20ac".encode("cp1252"), ["Müller", "1€"], True),
        ("M\u00fcller".encode("latin-1"), ["Müller"], True),
        ("\ufeff001\r\n002".encode("utf-16-le"), ["001", "002"], False),
        ("\ufeff001".encode("utf-16-be"), ["001"], False),
    ],
)
def test_files_are_read_in_the_encodings_that_spreadsheets_write(
    content: bytes, values: list[str], noted: bool
) -> None:
    parsed = parse_file(content)
    assert [entry.value for entry in parsed.entries] == values
    assert any("not UTF-8" in note for note in parsed.notes) is noted


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK\x03\x04rest of a workbook", "list-workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "list-workbook"),
        (b"\x89PNG\r\n\x1a\n\0\0", "list-binary"),
        (b"\x81\x8d\x8f", "list-binary"),
        (b"\xff\xfe\x00", "list-binary"),
        (b"", "list-empty"),
        (b" \r\n \t\r\n", "list-empty"),
        (b"PatientID\r\n", "list-empty"),
        (b'a,b\n"c,d\ne,f', "list-malformed"),
        (b"a,b\n1,2\n3,4\n5,6,7", "list-ragged"),
        (b"\n" * 50_000, "list-too-long"),
        (b"7\n" * 1_000_000, "list-too-long"),
        (b"7," * 1_000_000, "list-too-long"),
        (b"x" * 1_000_000, None),
    ],
)
def test_what_is_no_list_is_refused_with_a_way_out(content: bytes, code: str | None) -> None:
    if code is None:  # one ID that nobody has: the list stands, the entry says why it is not used
        assert "more than 256" in parse_file(content).entries[0].problem
        return
    with pytest.raises(ListError) as refused:
        parse_file(content)
    assert refused.value.code == code
    assert refused.value.hint or code == "list-malformed"


def test_the_longest_list_is_taken_and_one_more_is_not() -> None:
    ids = [f"{number:08}" for number in range(MOST_IDS + 1)]
    assert len(_values("\n".join(ids[:-1]))) == MOST_IDS
    with pytest.raises(ListError, match="10,001"):
        _values("\n".join(ids))


@pytest.mark.parametrize(
    ("value", "warning"),
    [
        ("1.23457E+11", "shortened"),
        ("A" * 65, "longer than"),
        ("12\u00a034", "invisible"),
        ("12\u200d34", "invisible"),
    ],
)
def test_an_id_that_looks_damaged_is_kept_and_marked(value: str, warning: str) -> None:
    (entry,) = parse_text(value).entries
    assert entry.value == value
    assert any(warning in told for told in entry.warnings)


@pytest.mark.parametrize("value", ["A" * 257, "12\x0034", "12\x1b[2J34"])
def test_an_id_that_cannot_be_one_is_named_and_not_used(value: str) -> None:
    (entry,) = parse_text(value).entries
    assert entry.problem
    assert "\x1b" not in entry.value


def test_repeated_ids_are_counted() -> None:
    assert "2 of the IDs are there more than once." in parse_text("1\n1\n2\n1").notes


@given(st.text(max_size=200), st.text(max_size=5))
def test_any_text_gives_a_list_or_a_reason(text: str, column: str) -> None:
    with contextlib.suppress(ListError):  # any other exception fails the test
        parsed = parse_text(text, column)
        assert parsed.entries
        assert all(entry.value for entry in parsed.entries)


@given(st.binary(max_size=200))
def test_any_file_gives_a_list_or_a_reason(content: bytes) -> None:
    with contextlib.suppress(ListError):
        assert parse_file(content).entries


@pytest.mark.parametrize(
    "text",
    [
        "0012",
        "1\n\n\n2",
        "1, 2, 3",
        'a"b\n"c""d"\na,b',
        "x\ty\nx;y,z",
        "1\x002\n" + "A" * 300,
        "Patient ID;Issuer;Name\n001;WARD;Abel\n002;;Beck",
        "Name;Patient ID\nAbel;001\nBeck;002",
    ],
)
def test_a_list_written_again_reads_the_same_and_has_no_other_column(text: str) -> None:
    entries = parse_text(text).entries
    again = relist(entries)
    assert [(e.line, e.value, e.issuer, bool(e.problem)) for e in parse_text(again).entries] == [
        (e.line, e.value, e.issuer, bool(e.problem)) for e in entries
    ]
    assert "Abel" not in again


@given(st.text(max_size=100))
def test_any_list_written_again_reads_the_same(text: str) -> None:
    with contextlib.suppress(ListError):
        entries = parse_text(text).entries
        again = parse_text(relist(entries)).entries
        assert [(e.value, e.issuer, bool(e.problem)) for e in again] == [
            (e.value, e.issuer, bool(e.problem)) for e in entries
        ]
