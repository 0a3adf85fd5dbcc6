"""What the doctor says: one finding for each kind of thing, with what the gateway will do and what a person should."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Level(IntEnum):
    """How much a finding matters; the exit code of `penstock doctor` is that of the gravest."""

    NOTE = 0  # the gateway's ordinary work
    WARNING = 1  # the gateway goes on, but a person should look
    UNUSABLE = 2  # the gateway cannot start, or cannot go on


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was found, `count` times, for example at `where`; what the gateway `will` do with it, and what to `do`."""

    level: Level
    code: str
    what: str
    will: str = ""
    do: str = ""
    count: int = 1
    where: str = ""
    repaired: bool = False

    def describe(self) -> dict[str, object]:
        """As a JSON object, without what is empty."""
        told: dict[str, object] = {
            "level": self.level.name.lower(),
            "code": self.code,
            "count": self.count,
            "what": self.what,
        }
        for name in ("where", "will", "do"):
            if value := getattr(self, name):
                told[name] = value
        if self.repaired:
            told["repaired"] = True
        return told


@dataclass(slots=True)
class Kind:
    """A kind of finding that is counted before it is told."""

    level: Level
    code: str
    what: str
    will: str = ""
    do: str = ""


@dataclass(slots=True)
class Tally:
    """Counts findings of one kind under one code; the first place stands for all."""

    _kinds: dict[str, Kind] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)

    def add(self, kind: Kind, where: str = "", count: int = 1) -> None:
        self._kinds.setdefault(kind.code, kind)
        self._places.setdefault(kind.code, where)
        self._counts[kind.code] = self._counts.get(kind.code, 0) + count

    def findings(self) -> list[Finding]:
        """In the order in which each kind was first met."""
        return [
            Finding(kind.level, code, kind.what, kind.will, kind.do, self._counts[code], self._places[code])
            for code, kind in self._kinds.items()
        ]
