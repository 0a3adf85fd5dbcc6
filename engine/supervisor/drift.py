"""When the budget's count may be compared with the disk. A process that died leaves bytes counted that are
not there; but while others work the two figures differ for good reasons (bytes reserved for what is being
received, a plan written and not yet counted), and putting them right then would make them wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Drift:
    """Fed with a pair of figures now and then; trusts a pair that came twice running while nobody was
    sending.
    """

    suspected: bool = False
    last: tuple[int, int] | None = None

    def correction(self, used: int, measured: int, *, quiet: bool) -> int | None:
        """The bytes to add to the count (less than 0: to take off), or None if it cannot be said now.

        `quiet`: no association is open. Once it was said, nothing is suspected any more.
        """
        before, self.last = self.last, (used, measured) if quiet else None
        if not quiet or before != (used, measured):
            return None
        self.suspected = False
        self.last = None
        return measured - used
