"""The calculator's page, the same at the platform and at a gateway: what was asked, and how it is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.responses import Response

from engine.errors import PenstockError
from engine.pages.forms import Form
from engine.pages.lists import MOST_IDS, PatientList, parse_file, parse_text, relist
from engine.pages.lookup import Row
from engine.pages.rendering import NO_STORE, Pages, View
from engine.pages.tables import lookup_csv

SHOWN = 1000
"""Rows on a page. The CSV has all."""
STATUSES = {"form-too-large": 413, "list-too-long": 413, "form-type": 415}


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the calculator runs. `blind`: at a gateway, so that Patient IDs stay in the hospital."""

    action: str
    blind: bool
    issuer_counts: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody filled in."""

    typed: str = field(default="", repr=False)
    column: str = ""
    issuer: str = field(default="", repr=False)
    csv: bool = False
    with_patient_ids: bool = False
    upload: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, form: Form) -> Asked:
        file = form.file("file")
        return cls(
            form.text("ids"),
            form.text("column").strip()[:100],
            form.text("issuer").strip()[:64],
            form.text("answer") == "csv",
            form.text("patient_ids") == "yes",
            None if file is None else file.content,
        )

    def patients(self) -> PatientList:
        """The list in the file, or else what was typed. Raises ListError."""
        if self.upload is None:
            return parse_text(self.typed, self.column)
        parsed = parse_file(self.upload, self.column)
        if not self.typed.strip():
            return parsed
        return PatientList(parsed.entries, ("The file was used, and not what was typed.", *parsed.notes))


@dataclass(frozen=True, slots=True)
class Summary:
    """Numbers above a list of results. `studies` is None if nobody was asked."""

    hashed: int
    unused: int
    warned: int
    with_studies: int
    studies: int | None

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Summary:
        known = [row.studies for row in rows if row.studies is not None]
        used = [row for row in rows if not row.problem]
        return cls(
            len(used),
            len(rows) - len(used),
            sum(1 for row in used if row.warnings),
            sum(1 for studies in known if studies),
            sum(known) if known or not rows else None,
        )


def page(
    pages: Pages,
    view: View,
    setting: Setting,
    asked: Asked,
    *,
    patients: PatientList | None = None,
    rows: Sequence[Row] = (),
    error: PenstockError | None = None,
    unanswered: str = "",
    status: int | None = None,
) -> Response:
    """The form, and under it the results or why there are none. `unanswered` says why studies are not known."""
    if status is None:
        status = 200 if error is None else STATUSES.get(error.code, 422)
    return pages.answer(
        "calculator.html",
        view,
        status=status,
        action=setting.action,
        blind=setting.blind,
        issuer_counts=setting.issuer_counts,
        most_ids=MOST_IDS,
        typed=asked.typed,
        column=asked.column,
        issuer=asked.issuer,
        error=error,
        rows=rows,
        shown=SHOWN,
        notes=() if patients is None else patients.notes,
        listed="" if patients is None or len(rows) < 2 else relist(patients.entries),
        summary=Summary.of(rows),
        unanswered=unanswered,
    )


def table(rows: Sequence[Row], *, with_patient_ids: bool) -> Response:
    """The results as a file to keep."""
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    headers = {
        **NO_STORE,
        "content-disposition": f'attachment; filename="penstock-hashed-ids-{day}.csv"',
        "x-content-type-options": "nosniff",
    }
    content = lookup_csv(rows, with_patient_ids=with_patient_ids)
    return Response(content, 200, headers, "text/csv; charset=utf-8")
