"""Results as CSV that a spreadsheet opens without harm: no cell of it is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from engine.pages.lookup import Row

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(value: str) -> str:
    """A text cell. What a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def csv_bytes(headings: Sequence[str], rows: Iterable[Sequence[str | int]]) -> bytes:
    """UTF-8 with its mark, so that spreadsheets read letters right; lines end as RFC 4180 says."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([cell(heading) for heading in headings])
    for row in rows:
        writer.writerow([cell(value) if isinstance(value, str) else value for value in row])
    return out.getvalue().encode("utf-8-sig")


def csv_row(cells: Sequence[str | int]) -> bytes:
    """One more line for such a table."""
    return csv_bytes([], [cells]).removeprefix(b"\xef\xbb\xbf\r\n")


def lookup_csv(rows: Iterable[Row], *, with_patient_ids: bool) -> bytes:
    """One line for each hashed ID. With the Patient IDs in it the file links patients to their hashed IDs."""
    headings = ["Line", "Hashed ID", "Secret version", "Key ID", "Current", "Studies", "Objects", "Remark"]
    if with_patient_ids:
        headings.insert(1, "Patient ID")
    lines: list[list[str | int]] = []
    for row in rows:
        remark = "; ".join([*([f"not used: {row.problem}"] if row.problem else []), *row.warnings])
        for one in row.hashed or (None,):
            found = None if one is None or row.found is None else row.found[one.value]
            line: list[str | int] = [row.line]
            if with_patient_ids:
                line.append(row.patient_id)
            line += ["", "", "", ""] if one is None else [one.value, one.version, one.key_id]
            if one is not None:
                line.append("yes" if one.current else "no")
            line += ["", ""] if found is None else [found.studies, found.objects]
            lines.append([*line, remark])
    return csv_bytes(headings, lines)
