"""Where a worker's time goes: rewriting and scanning are told apart, by real rewrites."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from engine.coordinator.messages import AnyResult, Gone, Planned
from engine.coordinator.pace import Pace
from engine.dicom import sample
from engine.metrics.reading import Snapshot
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.rewrite import Pseudonymizer


def planned(number: int, seconds: float) -> AnyResult:
    return Planned(str(number), "p", "h", "1", "2", "3", "4", 10, 20, seconds)


def test_every_scan_takes_time_and_is_counted(tmp_path: Path) -> None:
    (path, *_) = sample.write(tmp_path, 1, sample.Shape(slices=1, size=32))
    worker = Pseudonymizer(compiled("default"), HashSecret.generate())
    assert worker.scan_seconds == 0.0
    descriptor = os.open(path, os.O_RDONLY)
    began = time.perf_counter()
    try:
        worker.plan(descriptor, path.stat().st_size, b"k" * 32)
        once = worker.scan_seconds
        worker.plan(descriptor, path.stat().st_size, b"k" * 32)
    finally:
        os.close(descriptor)
    assert 0.0 < once < worker.scan_seconds <= time.perf_counter() - began


def test_a_batch_is_divided_between_rewriting_and_scanning(tmp_path: Path) -> None:
    pace = Pace.of(tmp_path, 3)
    assert pace is not None
    pace.batch(1.0, 0.5, 0.25, 0.2, [planned(1, 0.2), planned(2, 0.02), Gone("3", "p")])
    pace.batch(0.0, 0.5, 0.0, 0.2, [Gone("4", "p")])
    told = Snapshot.take(tmp_path)
    assert told.by("penstock_stage_busy_seconds_total", "stage") == pytest.approx(
        {"rewrite": 0.8, "scan": 0.2}
    )
    assert told.by("penstock_stage_seconds_count", "stage") == {"rewrite": 2.0, "scan": 2.0}
    assert told.get("penstock_stage_seconds_sum", stage="scan") == pytest.approx(0.2)
    assert told.by("penstock_worker_jobs_total", "worker") == {"3": 4.0}
    assert told.get("penstock_worker_busy_seconds_total", worker="3") == 1.0


def test_a_gateway_that_does_not_observe_itself_times_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_UNOBSERVED", "1")
    assert Pace.of(tmp_path, 0) is None
    monkeypatch.delenv("PENSTOCK_UNOBSERVED")
    assert Pace.of(None, 0) is None
