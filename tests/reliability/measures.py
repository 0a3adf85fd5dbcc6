"""All measures, in the order of the table."""

from __future__ import annotations

from typing import Final

from tests.reliability import (
    canaries,
    clock,
    crowd,
    day,
    disk,
    fuzzing,
    hostile,
    huge,
    kills,
    network,
    outage,
    power,
    soak,
    written,
)
from tests.reliability.book import Measure

MEASURES: Final[tuple[Measure, ...]] = (
    kills.MEASURE,
    power.MEASURE,
    power.ON_XFS,
    disk.MEASURE,
    outage.MEASURE,
    network.MEASURE,
    clock.MEASURE,
    fuzzing.MUTANTS,
    fuzzing.CUTS,
    crowd.SLOW,
    crowd.MANY,
    huge.MEASURE,
    hostile.MEASURE,
    canaries.MEASURE,
    day.MEASURE,
    soak.MEASURE,
    written.MEASURE,
)
