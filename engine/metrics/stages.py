"""What a stage of the way notes about its time: busy, starved (nothing came), blocked (what follows does not take).

Its clock is asked through it, so that a gateway which does not observe itself (for the benchmark that says what
observing costs) saves that too.
"""

from __future__ import annotations

import os
import time
from typing import Final, Protocol

from engine.metrics.meter import Meter

UNOBSERVED: Final = "PENSTOCK_UNOBSERVED"
"""Environment variable: any value turns the observing of stages off. For `benchmarks/` only."""


class Stage(Protocol):
    """One process's part in a stage. Not for two threads at a time, but for `now`."""

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def busy(self, seconds: float) -> None: ...
    def starved(self, seconds: float) -> None: ...
    def blocked(self, seconds: float) -> None: ...

    def took(self, seconds: float, times: int = 1) -> None:
        """One object (or `times` objects, each) took `seconds`."""

    def holds(
        self, *, hands: float | None = None, waiting: float | None = None, size: float | None = None
    ) -> None:
        """How many work side by side, how many objects wait for them, how many bytes they have in hand."""


class Observed:
    """A stage in the counters of a process."""

    def __init__(self, meter: Meter, labels: dict[str, str]) -> None:
        self.now = time.monotonic
        self.busy = meter.value("penstock_stage_busy_seconds_total", **labels).add
        self.starved = meter.value("penstock_stage_starved_seconds_total", **labels).add
        self.blocked = meter.value("penstock_stage_blocked_seconds_total", **labels).add
        self.took = meter.histogram("penstock_stage_seconds", **labels).observe
        self._hands = meter.value("penstock_stage_hands", **labels)
        self._waiting = meter.value("penstock_stage_waiting_objects", **labels)
        self._size = meter.value("penstock_stage_bytes_in_flight", **labels)

    def holds(
        self, *, hands: float | None = None, waiting: float | None = None, size: float | None = None
    ) -> None:
        for value, given in ((self._hands, hands), (self._waiting, waiting), (self._size, size)):
            if given is not None:
                value.set(given)


class Unobserved:
    """Notes nothing."""

    def now(self) -> float:
        return 0.0

    def busy(self, seconds: float) -> None: ...
    def starved(self, seconds: float) -> None: ...
    def blocked(self, seconds: float) -> None: ...
    def took(self, seconds: float, times: int = 1) -> None: ...

    def holds(
        self, *, hands: float | None = None, waiting: float | None = None, size: float | None = None
    ) -> None: ...


def is_observed() -> bool:
    """False if this process was told to note nothing."""
    return UNOBSERVED not in os.environ


def stage(meter: Meter, name: str, **more: str) -> Stage:
    """The stage `name` (one of the catalogue's STAGES) in this process; `more` labels tell parts of it apart."""
    return Observed(meter, {"stage": name, **more}) if is_observed() else Unobserved()
