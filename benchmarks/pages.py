"""How fast pages are: the list of an institution with 10,000 studies, and the calculator with 1 and with 10,000 IDs.

python -m benchmarks.pages
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert

from engine.config import load_platform
from engine.platform.administration import administration
from engine.platform.database.objects import STUDIES
from tests.support.web_platform import SECOND, TENANT, Session, WebPlatform

STUDIES_THERE = 10_000
REPEATS = 15


def main() -> None:
    """Prints a line for each page: the median and the worst, in milliseconds, TLS connection included."""
    with tempfile.TemporaryDirectory() as folder:
        platform = WebPlatform(Path(folder))
        try:
            _fill(platform)
            rosa, anna = Session(platform, "rosa"), Session(platform, "anna")
            many = {"ids": "\n".join(f"{number:08}" for number in range(10_000))}
            _time("sign-in page (no database query of studies)", lambda: Session(platform).get("/sign-in"))
            _time("studies, first page of 10,000", lambda: rosa.get("/studies"))
            _time("studies, last page of 10,000", lambda: rosa.get("/studies?page=200"))
            _time("studies, by modality", lambda: rosa.get("/studies?modality=MR"))
            _time("calculator, 1 ID", lambda: anna.post("/calculator", {"ids": "00000042"}))
            _time("calculator, 10,000 IDs", lambda: anna.post("/calculator", many), 3)
        finally:
            platform.stop()


def _fill(platform: WebPlatform) -> None:
    rows = [
        {
            "tenant": TENANT,
            "study_instance_uid": f"2.25.{10**30 + number}",
            "hashed_id": SECOND.hashed_id(f"{number // 2:08}"),
            "modalities": ("CT", "MR", "CT\\SR")[number % 3],
            "series": 3,
            "objects": 300,
            "bytes": 158_000_000,
            "first_received": 1_800_000_000_000_000 + number,
            "last_received": 1_800_000_060_000_000 + number,
            **dict.fromkeys(
                (
                    "study_date",
                    "study_time",
                    "accession_number",
                    "study_id",
                    "study_description",
                    "patient_sex",
                ),
                "",
            ),
        }
        for number in range(STUDIES_THERE)
    ]
    with administration(load_platform(platform.config)) as room, room.database.begin() as connection:
        connection.execute(insert(STUDIES), rows)


def _time(what: str, ask: Callable[[], tuple[int, object, bytes]], repeats: int = REPEATS) -> None:
    took = []
    length = 0
    for _ in range(repeats):
        begun = time.perf_counter()
        status, _, body = ask()
        took.append((time.perf_counter() - begun) * 1000)
        if status != 200:
            raise SystemExit(f"{what}: HTTP {status}")
        length = len(body)
    print(
        f"{what:48} median {statistics.median(took):7.1f} ms   worst {max(took):7.1f} ms   {length / 1000:7.0f} KB"
    )


if __name__ == "__main__":
    main()
