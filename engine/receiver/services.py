"""What all associations of one receiver process share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.config.gateway import GatewayConfig
from engine.metrics.meter import Meter, Value
from engine.receiver.admission import Gate
from engine.receiver.limits import Limits
from engine.receiver.observing import Observer
from engine.receiver.peers import Peers
from engine.receiver.slowing import Brake
from engine.spool.hints import HintOutbox
from engine.spool.intake import Intake
from engine.spool.layout import Spool

if TYPE_CHECKING:
    from engine.receiver.association import Association


class Counters:
    """The receiver's numbers; `engine.metrics.catalogue` says what they mean."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.open = meter.value("penstock_associations_open")
        self.objects = meter.value("penstock_received_objects_total")
        self.bytes = meter.value("penstock_received_bytes_total")
        self.commits = meter.value("penstock_commits_total")
        self.commit_seconds = meter.value("penstock_commit_seconds_total")

    def ended(self, how: str) -> Value:
        return self._meter.value("penstock_associations_total", ended=how)

    def handshake_failed(self, why: str) -> Value:
        return self._meter.value("penstock_handshakes_failed_total", why=why)

    def rejected(self, why: str) -> Value:
        return self._meter.value("penstock_rejections_total", why=why)

    def answers(self, status: int) -> Value:
        return self._meter.value("penstock_answers_total", status=f"{status:04X}")


@dataclass(slots=True)
class Services:
    """`buffer` is one for all associations: each takes everything out of it before the loop reads for the
    next. `process` is the number of this receiver process; it begins the ids of its associations."""

    config: GatewayConfig
    limits: Limits
    spool: Spool
    intake: Intake
    gate: Gate
    brake: Brake
    hints: HintOutbox
    counters: Counters
    observer: Observer
    peers: Peers
    process: int = 0
    buffer: memoryview = field(init=False)
    connections: set[Association] = field(default_factory=set)
    draining: bool = False

    def __post_init__(self) -> None:
        self.buffer = memoryview(bytearray(self.limits.buffer))

    def joined(self, association: Association) -> None:
        """A connection begins, or an association was accepted on it."""
        self.connections.add(association)
        self._tell_intake()

    def left(self, association: Association) -> None:
        """Nothing is left of it."""
        self.connections.discard(association)
        self._tell_intake()

    def _tell_intake(self) -> None:
        # One that may have several requests outstanding is its own company: a group of its objects shares a commit.
        self.intake.alone = len(self.connections) == 1 and all(one.window == 1 for one in self.connections)
