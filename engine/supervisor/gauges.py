"""What only the supervisor can see of the gateway, as numbers on the metrics page."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from engine.metrics.meter import Meter
from engine.process import resident_bytes
from engine.spool.budget import Budget
from engine.spool.layout import ORIGINAL, Spool
from engine.supervisor.forecast import Forecast
from engine.supervisor.processors import Processors, children
from engine.supervisor.watch import RoleState, Watch

QUARANTINE_SECONDS: Final = 10.0  # between two counts: the folder may hold very many
WORKERS: Final = "workers"


class Gauges:
    """Kept by the supervisor's event loop; `look` brings the numbers up to date."""

    def __init__(
        self, meter: Meter, spool: Spool, budget: Budget, forecast: Forecast, max_bytes: int
    ) -> None:
        self._meter = meter
        self._spool = spool
        self._budget = budget
        self._forecast = forecast
        self._max_bytes = max_bytes
        self._processors = Processors()
        self._count_again = 0.0
        meter.value("penstock_spool_max_bytes").set(max_bytes)
        self._began = time.monotonic()

    def look(self, watches: Mapping[str, Watch]) -> None:
        """Takes everything new."""
        value = self._meter.value
        value("penstock_up_seconds").set(time.monotonic() - self._began)
        value("penstock_spool_bytes").set(self._budget.used())
        value("penstock_spool_free_bytes").set(self._spool.free_bytes())
        value("penstock_seconds_until_full").set(self._forecast.seconds_until(self._max_bytes))
        if time.monotonic() >= self._count_again:
            value("penstock_quarantine_objects").set(_objects_in(self._spool.quarantine))
            self._count_again = time.monotonic() + QUARANTINE_SECONDS
        value("penstock_process_resident_bytes", process="supervisor").set(resident_bytes(os.getpid()))
        for name, watch in watches.items():
            value("penstock_process_up", role=name).set(watch.state is RoleState.UP)
            value("penstock_process_starts_total", role=name).set(watch.starts)
            value("penstock_process_resident_bytes", process=name).set(
                resident_bytes(watch.pid) if watch.pid else 0
            )
        for name, seconds in self._processors.used(_pids(watches)).items():
            value("penstock_processor_seconds_total", process=name).add(seconds)


def _pids(watches: Mapping[str, Watch]) -> dict[str, list[int]]:
    """The processes of each role; the coordinator's children are the workers, another's are its own hands."""
    found = {"supervisor": [os.getpid()]}
    for name, watch in watches.items():
        if not watch.pid:
            continue
        below = children(watch.pid)
        if name == "coordinator":
            found[name], found[WORKERS] = [watch.pid], below
        else:
            found[name] = [watch.pid, *below]
    return found


def _objects_in(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(entry.name.endswith(ORIGINAL) for entry in entries)
