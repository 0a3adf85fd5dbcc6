"""Real objects of every modality and transfer syntax at hand go through the running gateway: each arrives or is quarantined."""

from __future__ import annotations

import csv
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import orjson
import pydicom
import pytest

from engine.demo.reader import Reader
from engine.demo.show import left_in
from engine.demo.stage import CALLING, HOST, Stage
from tests.support import travel

pytestmark = pytest.mark.corpus


def selection(corpus: Path) -> list[Path]:
    """The first whole file of each modality, SOP class and transfer syntax, below 5 MB."""
    found: dict[tuple[str, str, str], Path] = {}
    with (corpus / "INDEX.csv").open(encoding="utf-8", newline="") as index:
        for row in csv.DictReader(index):
            path = corpus / row["repo"] / row["path"]
            kind = (row["modality"], row["sop_class_name"], row["ts_name"])
            if row["readable_noforce"] == "1" and int(row["size"]) < 5_000_000 and path.is_file():
                found.setdefault(kind, path)
    return sorted(set(found.values()))


def test_real_objects_of_every_kind_arrive_or_are_quarantined_with_a_reason(
    house: Stage, corpus: Path
) -> None:
    paths = selection(corpus)
    command = [
        sys.executable,
        "-m",
        "engine.cli",
        "send",
        HOST,
        str(house.gateway_port),
        "--calling",
        CALLING,
        "--json",
    ]
    told = subprocess.run(
        [*command, *map(str, paths)], capture_output=True, check=False, timeout=travel.PATIENCE
    )
    report = orjson.loads(told.stdout)
    acknowledged = int(report["objects"])
    assert acknowledged > 50, report

    def settled() -> bool:
        return all(path.parent == house.spool / "quarantine" for path in left_in(house.spool))

    travel.wait("every pass sealed", settled)
    reasons = [orjson.loads(path.read_bytes()) for path in (house.spool / "quarantine").glob("*.json")]
    assert all(reason["code"] for reason in reasons)
    with Reader(house.platform_url, house.certificates) as reader:
        studies = [str(study["study_instance_uid"]) for study in reader.studies()]
    arrived = [data for study in studies for data in travel.read_back(house, study)]
    assert len(arrived) + len(reasons) == acknowledged
    assert len(arrived) > acknowledged // 2  # what may have text burned in is quarantined
    for data in arrived:
        ds = pydicom.dcmread(BytesIO(data))
        assert ds.PatientIdentityRemoved == "YES" and len(ds.PatientID) == 32
