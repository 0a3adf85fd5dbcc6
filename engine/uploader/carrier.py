"""What the uploader knows of a destination, whatever its kind: it takes objects and says what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from engine.errors import PenstockError, TransportError
from engine.spool.release import ReceiptKind
from engine.uploader.outgoing import OutgoingObject
from engine.uploader.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request: a verdict on each object, in the order sent, or the trouble that it met.

    `retry_after`: seconds, if the destination said so. `refused`: a code word for why the request as a whole
    was refused, if that may be an object's fault, else "". `begun`: a connection was there and objects were
    asked for. `sent_at`: when all of the objects were given away, seconds since 1970.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    trouble: TransportError | None = None
    retry_after: float | None = None
    refused: str = ""
    begun: bool = True
    sent_at: float = 0.0


class LocalFault(Exception):
    """Reading an object failed while it was sent: the destination has nothing to do with it."""

    def __init__(self, item: OutgoingObject, problem: OSError | PenstockError) -> None:
        super().__init__(type(problem).__name__)
        self.item = item
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Load:
    """How much a destination is given: requests at the same time, and objects and bytes in one of them."""

    requests: int
    objects: int
    size: int


class Carrier(Protocol):
    """One destination. Made inside a running event loop."""

    @property
    def receipt(self) -> ReceiptKind:
        """Which kind of receipt it gives."""

    @property
    def load(self) -> Load:
        """How much it is given."""

    async def send(self, objects: Sequence[OutgoingObject]) -> Reply:
        """Send objects in one request and wait for the answer.

        Raises LocalFault when an object cannot be read; whatever the destination or the network does is in
        the Reply. May be cancelled at any time.
        """

    def renew(self) -> None:
        """Read certificates and passwords again, for connections made from now on.

        Raises ConfigError, and goes on with what it has, when a file cannot be used.
        """

    async def close(self) -> None:
        """Close all connections."""
