"""Where a worker's time goes, noted once a batch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Self

from engine.coordinator.messages import AnyResult, Planned
from engine.metrics.meter import FEW_RECORDS, Meter
from engine.metrics.stages import is_observed, stage

REWRITE, SCAN = "rewrite", "scan"


class Pace:
    """The counters of one worker, by itself and as one of the hands of the stages "rewrite" and "scan", between which its
    work is divided."""

    def __init__(self, meter: Meter, number: int) -> None:
        worker = str(number)
        self.now = time.monotonic
        self._rewrite = stage(meter, REWRITE)
        self._scan = stage(meter, SCAN)
        self._scanned = 0.0
        self._starved = meter.value("penstock_worker_starved_seconds_total", worker=worker)
        self._busy = meter.value("penstock_worker_busy_seconds_total", worker=worker)
        self._blocked = meter.value("penstock_worker_blocked_seconds_total", worker=worker)
        self._jobs = meter.value("penstock_worker_jobs_total", worker=worker)

    @classmethod
    def of(cls, run_dir: Path | None, number: int) -> Self | None:
        """None where nobody reads it: no folder, or a gateway that does not observe itself."""
        if run_dir is None or not is_observed():
            return None
        return cls(Meter.attach(run_dir, f"worker-{number}", FEW_RECORDS), number)

    def batch(
        self, starved: float, busy: float, blocked: float, scanned: float, results: list[AnyResult]
    ) -> None:
        """One batch: seconds waited for it, worked at it, and waited until its results were taken. `scanned`: how long all
        leak scans of this worker have taken up to now.
        """
        self._starved.add(starved)
        self._busy.add(busy)
        self._blocked.add(blocked)
        self._jobs.add(len(results))
        scan, self._scanned = scanned - self._scanned, scanned
        rewrite = self._rewrite
        rewrite.starved(starved)
        rewrite.busy(busy - scan)
        rewrite.blocked(blocked)
        planned = [result.seconds for result in results if isinstance(result, Planned)]
        for seconds in planned:
            rewrite.took(seconds)
        if planned:
            self._scan.busy(scan)
            self._scan.took(scan / len(planned), len(planned))  # of the batch's objects on the average
