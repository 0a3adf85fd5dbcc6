"""When a process that ended is started again, and when that has no sense any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STABLE_SECONDS: Final = 2.0  # a process that ran so long had started well
FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0
MOST_FAILURES: Final = 8


@dataclass(slots=True)
class Restarts:
    """The memory of one role's bad starts. A process that was stable clears it."""

    failures: int = 0

    def ended(self, ran_seconds: float) -> float | None:
        """Seconds to wait before the next start; None when it failed `MOST_FAILURES` times in a row soon
        after its start.
        """
        if ran_seconds >= STABLE_SECONDS:
            self.failures = 0
            return 0.0
        self.failures += 1
        if self.failures >= MOST_FAILURES:
            return None
        return float(min(FIRST_DELAY * 2 ** (self.failures - 1), LONGEST_DELAY))
