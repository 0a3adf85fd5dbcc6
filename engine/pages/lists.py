"""Patient IDs out of what a person types, pastes or uploads: one ID, a list, or a table with separators.

Nothing is guessed silently: what had to be assumed is told in `notes`, and an ID that looks damaged is kept
and marked. Values are text from end to end, so leading zeros stay. No message holds an ID.
"""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from dataclasses import dataclass, field

from engine.errors import PenstockError

MOST_IDS = 10_000
LONGEST_IN_DICOM = 64  # PS3.5 6.2, VR LO
LONGEST = 256
_SEPARATORS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}
_MOST_COLUMNS = 200
# How columns with Patient IDs and their issuers are called, without what is not a letter or digit.
_ID_NAMES = frozenset(
    {
        "patientid",
        "patid",
        "pid",
        "id",
        "mrn",
        "patientnumber",
        "patientno",
        "patientnr",
        "patientidentifier",
        "medicalrecordnumber",
        "00100020",
        "hospitalnumber",
        "patientenid",
        "patientennummer",
        "patientennr",
        "patnr",
        "idpatient",
        "ipp",
        "numeropatient",
    }
)
_ISSUER_NAMES = frozenset(
    {"issuer", "issuerofpatientid", "patientidissuer", "assigningauthority", "00100021"}
)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SHORTENED = re.compile(r"\d+(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
_UNREADABLE = "\ufffd"
_EXCEL_TEXT = re.compile(r'="([^"]*)"')


class ListError(PenstockError):
    """A list that cannot be used as it is; the message and the hint say why and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One Patient ID. `line` counts from 1. `warnings` are about an ID that is used, `problem` is why one is not."""

    line: int
    value: str = field(repr=False)
    issuer: str = field(default="", repr=False)
    warnings: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PatientList:
    """The entries in the order of the list, and in words what was assumed."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


def parse_text(text: str, column: str = "") -> PatientList:
    """What was typed or pasted. `column` names the column of a table, by its heading or its number from 1.

    Raises ListError: "list-empty", "list-too-long", "list-ragged", "list-column", "list-malformed".
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\x0b", "\n")
    lines = text.count("\n") + 1
    if lines > 2 * MOST_IDS + 2:  # before anything is parsed; empty lines may be among them
        raise _too_long(lines)
    table, notes = _table(text)
    entries, found = _entries(table, column)
    if not entries:
        raise ListError("list-empty", "there is no Patient ID in it", hint="type or paste at least one")
    if len(entries) > MOST_IDS:
        raise _too_long(len(entries))
    repeated = len(entries) - len({(entry.value, entry.issuer) for entry in entries})
    if repeated:
        found.append(f"{repeated:,} of the IDs are there more than once.")
    return PatientList(tuple(entries), (*notes, *found))


def parse_file(content: bytes, column: str = "") -> PatientList:
    """A file with one ID a line, or a CSV. UTF-8, UTF-16 with its mark, or else Windows-1252 (Latin-1).

    Raises ListError as `parse_text` does, and "list-workbook", "list-binary".
    """
    text, note = _decode(content)
    parsed = parse_text(text, column)
    return PatientList(parsed.entries, (note, *parsed.notes)) if note else parsed


def relist(entries: tuple[Entry, ...]) -> str:
    """A text that `parse_text` makes the same entries of, lines and problems included, and nothing else in it."""
    lines = [""] * max((entry.line for entry in entries), default=0)
    issuers = any(entry.issuer for entry in entries)  # then the first line had headings
    for entry in entries:
        cells = [entry.value, entry.issuer] if issuers else [entry.value]
        quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
        lines[entry.line - 1] = "\t".join(quoted)
    if issuers:
        lines[0] = "Patient ID\tIssuer"
    return "\n".join(lines)


def _too_long(count: int) -> ListError:
    return ListError(
        "list-too-long",
        f"the list has {count:,} lines; one look-up takes {MOST_IDS:,} Patient IDs",
        hint="cut it into smaller lists, or use `penstock hash --stdin`, which has no limit",
    )


def _decode(content: bytes) -> tuple[str, str]:
    if content.startswith(_WORKBOOKS):
        message = "this is a spreadsheet program's own file, not a CSV"
        raise ListError("list-workbook", message, hint="save it there as CSV (UTF-8), and choose that file")
    encodings = ["utf-8-sig", "cp1252"]
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        if encoding != "cp1252":
            return text, ""
        return (
            text,
            "The file is not UTF-8. It was read as Western European text: look at letters with accents.",
        )
    raise ListError("list-binary", "this file is not text", hint="choose a text file or a CSV")


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: list[str]


def _table(text: str) -> tuple[list[_Row], list[str]]:
    """Rows of cells. One column unless a separator splits every line into as many cells."""
    plain = [_Row(number, [line]) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    for separator, name in _SEPARATORS.items():
        if not plain or separator not in plain[0].cells[0]:
            continue
        rows = _split(text, separator)
        if not rows:  # separators and nothing between them
            return [], []
        if len(rows) == 1:
            cells = [cell for cell in rows[0].cells if cell.strip()]
            note = f"The one line was split at its {name} into {len(cells):,} IDs."
            return [_Row(number, [cell]) for number, cell in enumerate(cells, 1)], [note] * (len(cells) > 1)
        columns = len(rows[0].cells)
        ragged = [row for row in rows if len(row.cells) != columns]
        if columns > 1 and not ragged:
            return rows, []
        if columns > 1 and len(ragged) * 2 < len(rows):
            raise ListError(
                "list-ragged",
                f"line {ragged[0].line} has {len(ragged[0].cells)} columns where line {rows[0].line} has {columns}",
                hint="give every line the same columns, or paste the one column with the IDs",
            )
    return [_Row(row.line, [_unquoted(row.cells[0])]) for row in plain], []


def _split(text: str, separator: str) -> list[_Row]:
    reader = csv.reader(text.split("\n"), delimiter=separator, strict=True)
    try:
        rows = [_Row(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error:
        message = f"the quotation marks in line {reader.line_num} do not fit together"
        raise ListError(
            "list-malformed", message, hint='write a quotation mark inside quotes as ""'
        ) from None
    if any(len(row.cells) > _MOST_COLUMNS for row in rows[1:]):
        raise ListError("list-malformed", f"a line has more than {_MOST_COLUMNS} columns")
    return rows


def _unquoted(cell: str) -> str:
    text = cell.strip()
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text


def _plain_name(cell: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", cell).lower() if c.isalnum())


def _entries(rows: list[_Row], column: str) -> tuple[list[Entry], list[str]]:
    if not rows:
        return [], []
    notes: list[str] = []
    names = [_plain_name(cell) for cell in rows[0].cells]
    wanted = _plain_name(column)
    headed = bool(_ID_NAMES.intersection(names)) or bool(wanted and wanted in names) or _headings(rows)
    if wanted in names and wanted:
        chosen = names.index(wanted)
    elif wanted.isdecimal() and wanted.isascii() and 1 <= int(wanted[:4]) <= len(names):
        chosen = int(wanted[:4]) - 1
    elif wanted:
        raise _which_column("the list has no column of that name", rows[0], headed)
    elif headed and len(names) > 1:
        candidates = [number for number, name in enumerate(names) if name in _ID_NAMES]
        if len(candidates) > 1:  # "id" beside "Patient ID" is some other number
            candidates = [number for number in candidates if names[number] != "id"]
        if len(candidates) != 1:
            raise _which_column("it is not clear which column has the Patient IDs", rows[0], headed)
        chosen = candidates[0]
    else:
        chosen = 0
    if len(names) > 1:
        named = f"“{rows[0].cells[chosen].strip()}”" if headed else f"number {chosen + 1}"
        notes.append(f"The list has {len(names)} columns; the Patient IDs were taken from column {named}.")
    issuers = [number for number, name in enumerate(names) if name in _ISSUER_NAMES] if headed else []
    body = rows[1:] if headed else rows
    if headed:
        notes.append("The first line was taken as headings.")
    return [
        entry
        for row in body
        if (
            entry := _entry(row.line, row.cells[chosen], row.cells[issuers[0]] if issuers else "", len(names))
        )
    ], notes


def _headings(rows: list[_Row]) -> bool:
    """True for a table whose first line has no digit in it, while every other line has one."""
    if len(rows) < 2 or len(rows[0].cells) < 2:
        return False
    digits = [any(c.isdigit() for cell in row.cells for c in cell) for row in rows]
    return not digits[0] and all(digits[1:])


def _which_column(message: str, first: _Row, headed: bool) -> ListError:
    names = ", ".join(f"“{cell.strip()[:40]}”" for cell in first.cells[:12]) if headed else ""
    hint = f"write one of these under “Column”: {names}" if names else "write the column's number"
    return ListError("list-column", message, hint=hint)


def _entry(line: int, cell: str, issuer: str, columns: int) -> Entry | None:
    excel = _EXCEL_TEXT.fullmatch(cell.strip())
    value = _bare(excel[1] if excel else cell)
    if not value:
        return None
    warnings = []
    if any(c == _UNREADABLE or unicodedata.category(c) == "Cc" for c in value):
        shown = "".join(_UNREADABLE if unicodedata.category(c) == "Cc" else c for c in value[: LONGEST + 1])
        return Entry(line, shown, problem="it has a control character or an unreadable one in it")
    if len(value) > LONGEST:
        return Entry(line, value[: LONGEST + 1], problem=f"it has more than {LONGEST} characters")
    if len(value) > LONGEST_IN_DICOM:
        warnings.append(f"longer than the {LONGEST_IN_DICOM} characters that DICOM allows")
    if _SHORTENED.fullmatch(value):
        warnings.append("looks like a number that a spreadsheet has shortened")
    if any(unicodedata.category(c) in {"Cf", "Zs"} and c != " " for c in value):
        warnings.append("has an invisible or special space in it")
    if columns == 1 and any(separator in value for separator in ";\t"):
        warnings.append("has a separator in it and was taken as one ID")
    return Entry(line, value, _bare(issuer), tuple(warnings))


def _bare(text: str) -> str:
    """Without spaces and invisible characters at both ends: no Patient ID has them, and copying adds them."""
    start, end = 0, len(text)
    while start < end and unicodedata.category(text[start]) in {"Cc", "Cf", "Zs", "Zl", "Zp"}:
        start += 1
    while end > start and unicodedata.category(text[end - 1]) in {"Cc", "Cf", "Zs", "Zl", "Zp"}:
        end -= 1
    return text[start:end]
