"""Receipts of de-identification: what was done to the objects of a study or of a batch, in numbers that name nobody.

A `Tally` counts; it can be written down, read back and added to another, so that what one process counted outlives it. `document`
makes the receipt of it, whose form `receipt.schema.json` describes. In it stand new UIDs, hashed IDs, tags and codes; no value of
an original, no file name, no AE title."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from engine.pseudonymize.plan import ObjectPlan
from engine.version import VERSION

KIND: Final = "penstock/de-identification-receipt"
FORMAT: Final = 1
LEAK: Final = "leak"
PIXELS: Final = ("none", "kept", "masked")


@dataclass(frozen=True, slots=True)
class Treatment:
    """What all objects of a receipt have in common: the profile's name and digest, the key id of the hash secret."""

    profile: str
    profile_digest: str
    key_id: str


@dataclass(slots=True)
class Tally:
    """Counts of objects: `actions` are elements by what the profile did with them, `pixels` objects by what became of their
    pixels, `quarantined` objects by (code, tag or None)."""

    objects: int = 0
    hashed_ids: set[str] = field(default_factory=set)
    actions: Counter[str] = field(default_factory=Counter)
    pixels: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[tuple[str, int | None]] = field(default_factory=Counter)

    def add(self, plan: ObjectPlan) -> None:
        """One object that was rewritten."""
        self.count(plan.hashed_id, plan.pixels, plan.counts)

    def count(self, hashed_id: str, pixels: str, counts: Mapping[str, int]) -> None:
        """The same from what was written down of a plan."""
        self.objects += 1
        self.hashed_ids.add(hashed_id)
        self.pixels[pixels] += 1
        actions = self.actions
        for action, count in counts.items():  # Counter.update takes six times as long
            actions[action] += count

    def refuse(self, code: str, tag: int | None) -> None:
        """One object that went to quarantine; `tag` is (group << 16 | element)."""
        self.quarantined[code, tag] += 1

    def merge(self, other: Tally) -> None:
        """Adds what another tally counted."""
        self.objects += other.objects
        self.hashed_ids |= other.hashed_ids
        self.actions.update(other.actions)
        self.pixels.update(other.pixels)
        self.quarantined.update(other.quarantined)

    def plain(self) -> list[Any]:
        """The tally in values that JSON can hold; see `of_plain`."""
        refused = [[code, tag, count] for (code, tag), count in self.quarantined.items()]
        return [self.objects, sorted(self.hashed_ids), dict(self.actions), dict(self.pixels), refused]

    @classmethod
    def of_plain(cls, plain: list[Any]) -> Tally:
        """ValueError, TypeError or KeyError for what `plain` did not write."""
        objects, hashed_ids, actions, pixels, refused = plain
        quarantined = Counter({(code, tag): count for code, tag, count in refused})
        return cls(objects, set(hashed_ids), Counter(actions), Counter(pixels), quarantined)


def document(
    tally: Tally,
    treatment: Treatment,
    *,
    scope: Literal["study", "batch"],
    about: Mapping[str, object],
    complete: bool,
    exact: bool,
) -> dict[str, object]:
    """The receipt. `about` says which study, batch or pass it is. `complete`: nothing more comes. `exact` is False where a
    process died on the way, and the counts may be off by the objects that it had in hand."""
    hits = sum(count for (code, _), count in tally.quarantined.items() if code == LEAK)
    return {
        "kind": KIND,
        "format": FORMAT,
        "penstock": VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "scope": scope,
        **about,
        "complete": complete,
        "exact": exact,
        "profile": {"name": treatment.profile, "digest": treatment.profile_digest},
        "key_id": treatment.key_id,
        "objects": tally.objects,
        "actions": dict(sorted(tally.actions.items())),
        "pixels": {status: tally.pixels[status] for status in PIXELS},
        # Every head is searched before its object may pass.
        "leak_scan": {"objects": tally.objects + hits, "hits": hits},
        "quarantined": {"objects": tally.quarantined.total(), "reasons": _reasons(tally.quarantined)},
    }


def _reasons(quarantined: Counter[tuple[str, int | None]]) -> list[dict[str, object]]:
    rows = sorted(quarantined.items(), key=lambda row: (-row[1], row[0][0], row[0][1] or 0))
    return [
        {
            "code": code,
            "tag": None if tag is None else f"({tag >> 16:04X},{tag & 0xFFFF:04X})",
            "objects": count,
        }
        for (code, tag), count in rows
    ]
