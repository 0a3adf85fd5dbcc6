"""When the spool will be full, if things go on as they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WINDOW: Final = 60.0  # seconds over which the rate is smoothed


@dataclass(slots=True)
class Forecast:
    """Fed with the bytes in use now and then; the rate is an exponential mean."""

    last: tuple[float, int] | None = None
    rate: float = 0.0  # bytes a second

    def feed(self, now: float, used: int) -> None:
        """`now` in monotonic seconds."""
        if self.last is not None and now > self.last[0]:
            seconds = now - self.last[0]
            share = min(seconds / WINDOW, 1.0)
            self.rate += share * ((used - self.last[1]) / seconds - self.rate)
        self.last = (now, used)

    def seconds_until(self, limit: int) -> float:
        """-1 if the spool does not fill at present."""
        if self.last is None or self.rate <= 0:
            return -1.0
        return max((limit - self.last[1]) / self.rate, 0.0)
