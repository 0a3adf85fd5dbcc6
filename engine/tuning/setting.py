"""What can be turned, how far, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

from engine.config import GatewayConfig
from engine.config.destinations import UploaderConfig

MIB: Final = 1 << 20
USUAL: Final = (4, 16 * MIB)
"""Connections and bytes of a request where the configuration says nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """One choice. `batch_bytes`: the most bytes in one request of the uploader. The order is that of cost."""

    workers: int
    receivers: int
    connections: int
    batch_bytes: int

    @classmethod
    def of(cls, config: GatewayConfig) -> Setting:
        """What a configuration says now."""
        connections, batch_bytes = USUAL
        for destination in config.every_destination():
            if isinstance(destination, UploaderConfig):  # the kinds that send requests of several objects
                connections, batch_bytes = destination.requests_in_flight, destination.bytes_per_request
                break
        return cls(config.pool.workers, config.receiver.processes, connections, batch_bytes)

    def objects(self, mean_bytes: float) -> int:
        """How many objects of this mean size a request may have: 1 to 1000."""
        return max(1, min(1000, math.ceil(self.batch_bytes / max(1.0, mean_bytes))))

    def changes(self, mean_bytes: float) -> dict[str, dict[str, int]]:
        """The keys of the configuration, by section."""
        return {
            "receiver": {"processes": self.receivers},
            "pool": {"workers": self.workers},
            "uploader": {
                "requests_in_flight": self.connections,
                "objects_per_request": self.objects(mean_bytes),
                "bytes_per_request": self.batch_bytes,
            },
        }

    def describe(self) -> dict[str, int]:
        """The setting as a JSON object."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


Axes = Mapping[str, tuple[int, ...]]


def axes(cores: int) -> Axes:
    """The values that are tried of each field, rising, in the order in which they matter."""
    powers = tuple(1 << n for n in range(10))
    return {
        "workers": tuple(sorted({*(n for n in powers if n <= cores), cores, cores + 1})),
        "receivers": tuple(n for n in powers if n <= min(cores, 8)),
        "connections": (1, 2, 4, 8, 16),
        "batch_bytes": (2 * MIB, 8 * MIB, 16 * MIB, 64 * MIB),
    }


def neighbours(setting: Setting, axis: str, values: tuple[int, ...]) -> list[Setting]:
    """The next value up, then the next one down, along one axis; a value between two steps has both."""
    now = getattr(setting, axis)
    up = [value for value in values if value > now][:1]
    down = [value for value in reversed(values) if value < now][:1]
    return [replace(setting, **{axis: value}) for value in (*up, *down)]
