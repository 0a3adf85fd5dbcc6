"""Finds the knee: the cheapest setting that is nearly as fast as the fastest. Pure: it only calls `measure`.

Along one axis at a time it climbs while that helps, round and round. Where two stages limit the stream alike, no single step
helps, so then all are taken at once, and what was not needed is taken back one by one. Machines are noisy, so a step counts only
beyond `BEYOND`, and the winner and the beginning are measured once more, in turn, before anything is promised.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from engine.tuning.setting import Axes, Setting, neighbours

BEYOND: Final = 0.03
ROUNDS: Final = 3

Measure = Callable[[Setting], "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial: objects a second from the first byte sent to the last receipt; memory of the gateway's processes together and
    the most that lay in its spool, in bytes; what limited it, in words."""

    rate: float
    resident: int = 0
    spooled: int = 0
    limit: str = ""


@dataclass(slots=True)
class Tried:
    """All trials, in the order in which settings were first tried."""

    outcomes: dict[Setting, list[Outcome]] = field(default_factory=dict)

    def rate(self, setting: Setting) -> float:
        """The median of its trials."""
        return statistics.median(outcome.rate for outcome in self.outcomes[setting])

    def last(self, setting: Setting) -> Outcome:
        return self.outcomes[setting][-1]

    @property
    def count(self) -> int:
        return sum(map(len, self.outcomes.values()))


@dataclass(frozen=True, slots=True)
class Found:
    """`begun` with, `best` of all, and the `knee`, which is proposed. `whole` is False if the time was over first."""

    begun: Setting
    best: Setting
    knee: Setting
    tried: Tried
    whole: bool


def search(measure: Measure, begin: Setting, steps: Axes, seconds: float) -> Found:
    """The knee, seen from the setting `begin`, by trials for about `seconds`. What `measure` raises goes through."""
    tried = Tried()
    until = time.monotonic() + seconds
    longest = 0.0

    def try_it(setting: Setting) -> None:
        nonlocal longest
        began = time.monotonic()
        tried.outcomes.setdefault(setting, []).append(measure(setting))
        longest = max(longest, time.monotonic() - began)

    def time_is_over(trials: int) -> bool:
        return time.monotonic() + trials * longest > until

    def worth(setting: Setting) -> bool:
        """Tries it unless it was; False where there is no time left."""
        if setting not in tried.outcomes:
            if time_is_over(3):
                return False
            try_it(setting)
        return True

    try_it(begin)
    best, whole = begin, True
    for _ in range(ROUNDS):
        before = best
        for axis, values in steps.items():
            best, ended = _climb(best, axis, values, tried, worth)
            whole = whole and ended
        if whole and best == before:
            best, whole = _leap(best, steps, tried, worth)
        if best == before or not whole:
            break
    whole = whole and _shrink(best, steps, tried, worth)
    for setting in dict.fromkeys((_knee(tried), begin)):
        if not time_is_over(1):
            try_it(setting)
    best = max(tried.outcomes, key=tried.rate)
    return Found(begin, best, _knee(tried), tried, whole)


def _climb(
    best: Setting,
    axis: str,
    values: tuple[int, ...],
    tried: Tried,
    worth: Callable[[Setting], bool],
) -> tuple[Setting, bool]:
    """The best along one axis, and whether there was time to see."""
    for way in (1, -1):
        while True:
            steps = [one for one in neighbours(best, axis, values) if (one > best) == (way > 0)]
            if not steps:
                break
            (step,) = steps
            if not worth(step):
                return best, False
            if tried.rate(step) <= tried.rate(best) * (1 + BEYOND):
                break
            best = step
    return best, True


def _leap(best: Setting, steps: Axes, tried: Tried, worth: Callable[[Setting], bool]) -> tuple[Setting, bool]:
    """One step up on all axes at once, if that helps; and whether there was time to see."""
    up = best
    for axis, values in steps.items():
        higher = [one for one in neighbours(best, axis, values) if one > best]
        if higher:
            up = replace(up, **{axis: getattr(higher[0], axis)})
    if up == best:
        return best, True
    if not worth(up):
        return best, False
    return (up if tried.rate(up) > tried.rate(best) * (1 + BEYOND) else best), True


def _shrink(best: Setting, steps: Axes, tried: Tried, worth: Callable[[Setting], bool]) -> bool:
    """Tries what costs less than the best, while it is nearly as fast; whether there was time to."""
    least = tried.rate(best) * (1 - BEYOND)
    now = best
    for axis, values in steps.items():
        while lower := [one for one in neighbours(now, axis, values) if one < now]:
            if not worth(lower[0]):
                return False
            if tried.rate(lower[0]) < least:
                break
            now = lower[0]
    return True


def _knee(tried: Tried) -> Setting:
    """The cheapest of those that are nearly as fast as the fastest."""
    most = max(map(tried.rate, tried.outcomes))
    return min(setting for setting in tried.outcomes if tried.rate(setting) >= most * (1 - BEYOND))
