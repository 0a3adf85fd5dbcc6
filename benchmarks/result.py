"""What a benchmark tells: rows of repeated measurements, and the targets that they are held against."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One subject's measurements, one a round, in `unit`. `note` says what is peculiar about the subject."""

    name: str
    unit: str
    values: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def describe(self) -> dict[str, object]:
        """The row as a JSON object, with the median and the spread."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 4),
            "low": round(min(self.values), 4),
            "high": round(max(self.values), 4),
            "rounds": len(self.values),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Target:
    """What was wanted and what was seen; `most` means that less is better."""

    what: str
    wanted: float
    seen: float
    unit: str = "×"
    most: bool = False

    @property
    def met(self) -> bool:
        return self.seen <= self.wanted if self.most else self.seen >= self.wanted

    def describe(self) -> dict[str, object]:
        """The target as a JSON object."""
        return {
            "what": self.what,
            "wanted": self.wanted,
            "bound": "at most" if self.most else "at least",
            "seen": round(self.seen, 4),
            "unit": self.unit,
            "met": self.met,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """A whole benchmark: `title` and `text` head its table."""

    name: str
    title: str
    text: str
    rows: tuple[Row, ...]
    targets: tuple[Target, ...] = ()

    def describe(self) -> dict[str, object]:
        """The benchmark as a JSON object."""
        return {
            "name": self.name,
            "title": self.title,
            "text": self.text,
            "rows": [row.describe() for row in self.rows],
            "targets": [target.describe() for target in self.targets],
        }


def ratio(numerator: Row, denominator: Row) -> float:
    """The median of the ratios round by round: on a noisy machine, neighbours in time are compared."""
    return statistics.median(a / b for a, b in zip(numerator.values, denominator.values, strict=True))
