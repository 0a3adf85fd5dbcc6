"""Where the time of associations goes.

The stages "receive" and "commit" share an association's time: while an object comes it is received, until its answer
it waits for its commit, and between two objects the receiver waits for the sender.
"""

from __future__ import annotations

from engine.metrics.meter import Meter
from engine.metrics.stages import stage
from engine.spool.intake import THREADS, Group


class Observer:
    """One receiver process's part in the stages "receive" and "commit"."""

    def __init__(self, meter: Meter) -> None:
        self._receive = stage(meter, "receive")
        self._commit = stage(meter, "commit")
        self._turned_away = meter.value("penstock_receiving_refused")
        self._slowed = meter.value("penstock_receiving_slowed")
        self._commit.holds(hands=THREADS)
        self.now = self._receive.now

    def object(self, waited: float, received: float, committed: float) -> None:
        """One object: seconds that its association waited for it, that it took to come, and to be made durable."""
        self._receive.starved(max(waited, 0.0))
        self._receive.busy(received)
        self._receive.blocked(committed)
        self._receive.took(received)
        self._commit.took(committed)

    def held(self, seconds: float) -> None:
        """An association was made to wait because the spool fills."""
        self._receive.blocked(seconds)

    def group(self, group: Group) -> None:
        """One commit."""
        self._commit.busy(group.seconds)

    def look(self, *, associations: int, is_open: bool, is_slow: bool) -> None:
        """What is so now: how many associations are open, whether new ones are taken, and whether senders are slowed."""
        self._receive.holds(hands=associations)
        self._turned_away.set(not is_open)
        self._slowed.set(is_slow)
