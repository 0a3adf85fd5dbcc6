"""How senders are slowed before one of them has to be refused.

Between `spool.slow_water` and `spool.high_water` as much is let in as goes out, and so much more that three quarters of that band
would be full after half a minute. A sender that waits for its answers then finds the pace of what follows by itself: each object's
answer is held back until its bytes are paid for at the association's fair share of that rate, and inside a large object reading
pauses for the same reason. No wait is longer than `MOST`, and the longest grows from nothing with the level, so nothing jumps.

Who sends less than its share owes nothing: the shares are by configured peer first, then by association, so a migration on many
associations does not slow the daily work of another peer. C-ECHO and refusals are never held back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine import log
from engine.config.gateway import SpoolConfig
from engine.receiver.listening import Shares
from engine.spool.budget import Budget

MOST: Final = 3.0  # seconds; the shortest usual timeout of a sender for one answer is 10 s
HORIZON: Final = 30.0  # seconds in which the level may come to its target
TARGET: Final = 0.75  # of the band between the two marks
CREDIT: Final = 1.0  # seconds of its share that an association which paused may have at once
SMOOTH: Final = (
    15.0  # seconds over which the rate of what goes out is smoothed: it goes out in requests of many objects
)
STEP: Final = 1 << 20  # bytes of one object between two looks at what it owes
LEAST: Final = 0.001  # seconds that are worth a timer
_LOG = log.get("receiver")


@dataclass(frozen=True, slots=True)
class Marks:
    """The band, in bytes: nobody waits below `slow`, new associations are turned away from `high` on."""

    slow: float
    high: float

    @classmethod
    def of(cls, config: SpoolConfig) -> Marks:
        return cls(config.slows_from * config.max_bytes, config.high_water * config.max_bytes)

    @property
    def target(self) -> float:
        return self.slow + TARGET * (self.high - self.slow)

    def rate(self, used: float, drain: float) -> float:
        """Bytes a second that all senders together may bring, at `used` bytes in the spool of which `drain` a second leave."""
        return max(drain + (self.target - used) / HORIZON, 0.0)

    def longest(self, used: float) -> float:
        """Seconds that one wait may take at this level: 0.0 below the band, MOST from its target on."""
        if used < self.slow or self.high <= self.slow:
            return 0.0
        return MOST * min((used - self.slow) / (self.target - self.slow), 1.0)


class Debt:
    """What one association owes: the moment at which all that it brought is paid for."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due = 0.0

    def charge(self, seconds: float, longest: float, now: float) -> float:
        """Adds the time that its latest bytes cost; how long it has to wait from `now` on, at most `longest`."""
        self._due = min(max(self._due, now - CREDIT) + seconds, now + longest)
        return max(self._due - now, 0.0)


class Brake:
    """One receiver process's brake. `is_on` is brought up to date by `look`, for metrics and for what need not be exact."""

    def __init__(
        self, config: SpoolConfig, budget: Budget, shares: Shares, process: int, now: Callable[[], float]
    ) -> None:
        self._budget = budget
        self._shares = shares
        self._process = process
        self._now = now
        self._marks = Marks.of(config)
        self._low = config.low_water * config.max_bytes
        self._from = self._marks.slow if self._marks.slow < self._marks.high else float("inf")
        self._looked: tuple[float, int] | None = None
        self._drain = 0.0
        self._sharers = 1
        self.is_on = False

    def wait(self, debt: Debt, peer: int, size: int) -> float:
        """Seconds that an association of this peer has to wait for bringing `size` bytes; 0.0 at once while the spool does not
        fill: the level is the one that was seen when the object's room was reserved."""
        used = self._budget.seen
        if used < self._from:
            return 0.0
        rate = self._marks.rate(used, self._drain)
        share = rate / (self._sharers * max(self._shares.of_peer(peer), 1))
        cost = size / share if share else float("inf")
        seconds = debt.charge(cost, self._marks.longest(used), self._now())
        return seconds if seconds >= LEAST else 0.0

    def look(self) -> None:
        """Now and then: how fast the spool drains, among how many peers the rate is shared, whether anybody is slowed at all."""
        now, gone, used = self._now(), self._budget.returned(but="receiver"), self._budget.used()
        if self._looked is not None and now > self._looked[0]:
            seconds = now - self._looked[0]
            rate = max(gone - self._looked[1], 0) / seconds
            self._drain += min(seconds / SMOOTH, 1.0) * (rate - self._drain)
        self._looked = (now, gone)
        if used >= self._from:
            self._sharers = max(self._shares.peers_open(), 1)
        if not self.is_on and used >= self._from:
            self.is_on = True
            _LOG.warning("spool-fills-senders-slowed", process=self._process)
        elif self.is_on and used < self._low:
            self.is_on = False
            _LOG.info("spool-drained-senders-go-on", process=self._process)

    def end(self) -> None:
        """Nobody waits any more: the receiver is stopping."""
        self._from, self.is_on = float("inf"), False
