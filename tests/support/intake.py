"""An intake with a spool of its own, whose commits a test takes when it wants them."""

from __future__ import annotations

import queue
from pathlib import Path

from engine.errors import SpoolError
from engine.spool.budget import Budget
from engine.spool.intake import RESERVE, Group, Incoming, Intake
from engine.spool.layout import Spool
from engine.spool.nursery import Nursery

TOLD = list[tuple[str, SpoolError | None]]


class Door:
    """An intake whose groups wait in a queue until the test takes them."""

    def __init__(self, root: Path, durability: str = "fsync", max_bytes: int = 100 * RESERVE) -> None:
        self.spool = Spool.open(root / "spool")
        self.budget = Budget.attach(self.spool.run, "receiver", max_bytes)
        self.groups: queue.SimpleQueue[Group] = queue.SimpleQueue()
        self.told: TOLD = []
        self.after: list[Group] = []
        self.intake = Intake(
            self.spool,
            Nursery(self.spool.run, "receiver"),
            self.budget,
            durability,
            self.groups.put,
            self.after.append,
        )

    def take(self, name: str, data: bytes) -> Incoming:
        incoming = self.intake.begin(name)
        incoming.done = lambda error: self.told.append((name, error))
        self.intake.write(incoming, [data[:3], memoryview(data)[3:]], len(data))
        return incoming

    def settle(self, count: int = 1) -> TOLD:
        """Waits until so many objects are told about."""
        while len(self.told) < count:
            self.intake.settle(self.groups.get(timeout=60))
        return self.told

    def names(self) -> tuple[list[str], list[str]]:
        return (
            sorted(path.name for path in self.spool.incoming.iterdir()),
            sorted(path.name for path in self.spool.received.iterdir()),
        )
