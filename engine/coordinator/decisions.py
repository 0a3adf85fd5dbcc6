"""What the core asks the shell to do. Every decision may be carried out twice without harm: a crash repeats
it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Origin = Literal["new", "second-sending", "late"]


@dataclass(frozen=True, slots=True)
class Survey:
    """Read the original UIDs of an object in received/."""

    identifier: str


@dataclass(frozen=True, slots=True)
class Found:
    """Make a pass durable: key, study. `origin` says why a study got one, for the counters."""

    pass_id: str
    study: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Admit:
    """Note in `seen`, move from received/ into the pass, then plan."""

    identifier: str
    pass_id: str
    sop: str
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Make the plan of an object that is in the pass."""

    identifier: str
    pass_id: str
    size: int


@dataclass(frozen=True, slots=True)
class Compare:
    """Has the object the same bytes as `first`, which bears the same SOP Instance UID in the pass?"""

    identifier: str
    pass_id: str
    first: str


@dataclass(frozen=True, slots=True)
class RefuseDouble:
    """Quarantine: one association sent two different objects under one SOP Instance UID, the first of them
    in this pass.
    """

    identifier: str
    pass_id: str


@dataclass(frozen=True, slots=True)
class Persist:
    """Make every plan of the pass durable, and tell which are damaged or missing."""

    pass_id: str


@dataclass(frozen=True, slots=True)
class Seal:
    """Destroy the key."""

    pass_id: str


Decision = Survey | Found | Admit | Plan | Compare | RefuseDouble | Persist | Seal
