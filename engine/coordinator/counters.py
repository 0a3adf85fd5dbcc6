"""The coordinator's numbers for the metrics page."""

from __future__ import annotations

from collections.abc import Mapping

from engine.metrics.meter import Meter, Value
from engine.metrics.stages import stage


class Counters:
    """Handles of the numbers that are touched for each object; the others are looked up when they are
    needed.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.rewritten = meter.value("penstock_rewritten_objects_total")
        self.rewritten_bytes = meter.value("penstock_rewritten_bytes_total")
        self.plan_bytes = meter.value("penstock_plan_bytes_total")
        self.seconds = meter.value("penstock_rewrite_seconds_total")
        self.bytes_in_flight = meter.value("penstock_bytes_in_flight")
        self.passes_open = meter.value("penstock_passes_open")
        self.worker_deaths = meter.value("penstock_worker_deaths_total")
        self.ledger_waiting = meter.value("penstock_ledger_waiting_rows")
        self.split_studies = meter.value("penstock_split_studies_total")
        self.workers_wanted = meter.value("penstock_workers", state="wanted")
        self.workers_working = meter.value("penstock_workers", state="working")
        self.queue = stage(meter, "queue")
        self.rewrite = stage(meter, "rewrite")
        self.scan = stage(meter, "scan")
        self._measured: set[int] = set()
        self.unsurveyed = meter.value("penstock_objects_waiting", **{"for": "pass"})
        self.unplanned = meter.value("penstock_objects_waiting", **{"for": "plan"})
        self.put_off = meter.value("penstock_objects_waiting", **{"for": "disk"})
        self.parked = meter.value("penstock_objects_waiting", **{"for": "place"})
        self.outbox = meter.value("penstock_objects_waiting", **{"for": "upload"})
        self.paused = meter.value("penstock_pool_paused")

    def quarantined(self, code: str) -> Value:
        return self._meter.value("penstock_quarantined_objects_total", reason=code)

    def passes(self, fate: str) -> Value:
        """Passes by what became of them: new, late, second-sending (when opened), sealed."""
        return self._meter.value("penstock_passes_total", fate=fate)

    def workers_resident(self, found: Mapping[int, int]) -> None:
        """Resident bytes by a worker's number; one that has gone has none."""
        for number in self._measured - found.keys():
            self._worker_resident(number).set(0)
        for number, size in found.items():
            self._worker_resident(number).set(size)
        self._measured = set(found)

    def _worker_resident(self, number: int) -> Value:
        return self._meter.value("penstock_process_resident_bytes", process=f"worker-{number}")
