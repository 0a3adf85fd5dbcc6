"""All measures, in the order of the table."""

from __future__ import annotations

from typing import Final

from tests.reliability import disk, kills, network, power, soak
from tests.reliability.book import Measure

MEASURES: Final[tuple[Measure, ...]] = (
    kills.MEASURE,
    power.MEASURE,
    disk.MEASURE,
    network.MEASURE,
    soak.MEASURE,
)
