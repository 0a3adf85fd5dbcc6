"""Where the time of a destination's couriers goes: the stages "upload" and "receipt"."""

from __future__ import annotations

import time
from typing import Final

from engine.metrics.meter import Meter
from engine.metrics.stages import stage

MOST_NUMBERS: Final = 2048  # that the uploader may have: a destination has about fifty


class Tempo:
    """One destination's couriers together. `name` is the destination's in the configuration, `couriers` how many work
    side by side.
    """

    def __init__(self, meter: Meter, name: str, couriers: int) -> None:
        self._upload = stage(meter, "upload", destination=name)
        self._receipt = stage(meter, "receipt", destination=name)
        self._objects = meter.value("penstock_destination_objects_total", destination=name)
        self._bytes = meter.value("penstock_destination_bytes_total", destination=name)
        self._waiting = meter.value("penstock_destination_waiting_objects", destination=name)
        self._backoff = meter.value("penstock_destination_backoff_seconds", destination=name)
        self._size = 0
        self._upload.holds(hands=couriers)
        self.now = self._upload.now

    def turn(self, starved: float, blocked: float, busy: float) -> None:
        """One courier's turn: seconds without an object, seconds at a closed gate, seconds with objects in hand."""
        self._upload.starved(starved)
        self._upload.blocked(blocked)
        self._upload.busy(busy)

    def began(self, size: int) -> float:
        """A request of so many bytes begins; the time, for `ended`."""
        self._size += size
        self._upload.holds(size=self._size)
        return time.time()

    def ended(self, size: int, began: float, sent_at: float) -> None:
        """It is over. `sent_at` (seconds since 1970): when all of it was handed to the connection, 0.0 if it never was."""
        self._size -= size
        self._upload.holds(size=self._size)
        if sent_at < began:
            return
        answer = max(time.time() - sent_at, 0.0)
        self._upload.took(sent_at - began)
        self._receipt.took(answer)
        self._receipt.busy(answer)

    def delivered(self, objects: int, size: int) -> None:
        """So many objects, and bytes, have their receipts."""
        self._objects.add(objects)
        self._bytes.add(size)

    def waits(self, objects: int) -> None:
        """So many objects wait for this destination."""
        self._waiting.set(objects)
        self._upload.holds(waiting=objects)

    def backs_off(self, seconds: float) -> None:
        """The destination is tried again in so many seconds; 0: it takes objects."""
        self._backoff.set(seconds)
