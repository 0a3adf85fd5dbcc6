"""How long the platform takes to list studies: the page that people see, and a whole QIDO-RS answer of ten thousand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.result import Result, Row, Target
from engine.platform.database import Database
from engine.platform.dicomweb.keys import Level
from engine.platform.dicomweb.query import parse
from engine.platform.dicomweb.search import Searching
from engine.platform.index import Attributes, Index, IndexRow
from tests.support.postgres import PostgreSQL, binaries

TENANT = "st-marys"
STUDIES = 10_000
OBJECTS = 4  # of each study, in two series
_PAGE = 50
_ROWS = 2000


def fill(index: Index, studies: int) -> None:
    """An index of so many studies, of two institutions in turns."""
    rows: list[IndexRow] = []
    for number in range(studies * OBJECTS * 2):
        study, series = number // (2 * OBJECTS), number % 2
        tenant = (TENANT, "other")[number // OBJECTS % 2]
        uid = f"2.25.{10**30 + study}"
        rows.append(
            IndexRow(
                tenant=tenant,
                sop_instance_uid=f"{uid}.{number}",
                study_instance_uid=uid,
                series_instance_uid=f"{uid}.{series}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                modality=("CT", "SR")[series],
                hashed_id=f"{study // 3:032x}",
                digest=bytes(32),
                length=530_000,
                object_id=f"{number:032x}",
                wrapped_key=bytes(40),
                master_key_id="00000000",
                sender="",
                received=1_700_000_000_000_000 + number,
                attributes=Attributes(
                    study_date="20260102", study_description="Thorax", accession_number="A"
                ),
            )
        )
        if len(rows) == _ROWS:
            with index.transaction() as writing:
                writing.add(rows)
            rows.clear()
    with index.transaction() as writing:
        writing.add(rows)


def measure(database: Database, rounds: int) -> dict[str, tuple[float, ...]]:
    """Milliseconds of each listing, one a round."""
    index, searching = Index(database), Searching(database)
    found = parse(Level.STUDY, [("limit", str(STUDIES))])
    patient = f"{STUDIES // 6:032x}"

    def qido() -> object:
        return searching.run(TENANT, found, "https://platform.example.org/dicom-web")

    listings: dict[str, Callable[[], object]] = {
        f"the first page of {_PAGE}": lambda: index.studies(TENANT, None, None, _PAGE, 0),
        f"the last page of {_PAGE}": lambda: index.studies(TENANT, None, None, _PAGE, STUDIES - _PAGE),
        "one patient's studies": lambda: index.studies(TENANT, patient, None, _PAGE, 0),
        f"all {STUDIES:,} in one": lambda: index.studies(TENANT, None, None, STUDIES, 0),
        f"all {STUDIES:,} as DICOM JSON": qido,
    }
    return {name: tuple(_timed(ask) for _ in range(rounds)) for name, ask in listings.items()}


def _timed(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1e3


@contextmanager
def databases(work: Path) -> Iterator[dict[str, str]]:
    """The URLs of empty databases by name; PostgreSQL's server ends with the block."""
    urls = {"SQLite": f"sqlite:///{work / 'listing.sqlite'}"}
    if binaries() is None:
        yield urls
        return
    server = PostgreSQL()
    server.start()
    try:
        server.create("listing")
        yield {**urls, "PostgreSQL": server.url("listing")}
    finally:
        server.stop()


def run(work: Path, rounds: int, objects: int) -> Result:  # noqa: ARG001 - the number of studies is the target's
    """Fills each database with STUDIES studies for each of two institutions, and lists one's."""
    rows: list[Row] = []
    with databases(work) as urls:
        for name, url in urls.items():
            database = Database.open(url)
            try:
                fill(Index(database), STUDIES)
                measure(database, 1)
                told = measure(database, rounds)
            finally:
                database.close()
            rows += [Row(f"{name}: {what}", "ms", values) for what, values in told.items()]
    whole = [row for row in rows if "all" in row.name]
    return Result(
        name="listing",
        title="Listing studies on the platform",
        text=(
            f"{STUDIES:,} studies for each of two institutions, {OBJECTS} objects in each; the time from the question to the rows "
            "of one institution, or to the bytes of the DICOM JSON answer. A study's row is kept with its objects, so a listing "
            "reads one range of one index."
        ),
        rows=tuple(rows),
        targets=(
            Target("the slowest page of 10,000", 200.0, max(row.median for row in whole), "ms", most=True),
        ),
    )
