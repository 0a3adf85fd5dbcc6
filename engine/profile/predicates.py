"""Which rules of a profile hold for an object: closed questions about its top level, answered once an
object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from engine.profile.model import Predicate, Rule

SOP_CLASS, MODALITY, MANUFACTURER = 0x00080016, 0x00080060, 0x00080070


class Values(Protocol):
    """Raw values of the original's top level: a dict by tag, or a native survey."""

    def get(self, tag: int, /) -> bytes | None:
        """The value of an attribute; None where it is not there."""


def wanted(rules: Iterable[Rule]) -> tuple[int, ...]:
    """The attributes whose values the rules' predicates ask for."""
    tags: set[int] = set()
    for rule in rules:
        when = rule.when
        if when is None:
            continue
        tags |= (
            {tag for tag, asked in _asked(when) if asked}
            | set(when.present)
            | {tag for tag, _ in when.equals}
        )
    return tuple(sorted(tags))


def _asked(when: Predicate) -> tuple[tuple[int, tuple[str, ...]], ...]:
    return (MODALITY, when.modality), (SOP_CLASS, when.sop_class), (MANUFACTURER, when.manufacturer)


def text(values: Values, tag: int) -> str:
    """The value as text; "" where there is none. Bytes that are not ASCII can equal nothing that a profile
    names."""
    return (values.get(tag) or b"").decode("ascii", "replace").strip(" \0")


def holds(when: Predicate, values: Values) -> bool:
    """Whether all that `when` asks is so."""
    if when.modality and text(values, MODALITY) not in when.modality:
        return False
    if when.sop_class and text(values, SOP_CLASS) not in when.sop_class:
        return False
    maker = text(values, MANUFACTURER).casefold()
    if when.manufacturer and not maker.startswith(tuple(name.casefold() for name in when.manufacturer)):
        return False
    if not all(text(values, tag) for tag in when.present):
        return False
    return all(text(values, tag) == value for tag, value in when.equals)


def exclusive(one: Predicate, other: Predicate) -> bool:
    """Whether no object can meet both, as far as their questions alone can tell."""
    for mine, theirs in ((one.modality, other.modality), (one.sop_class, other.sop_class)):
        if mine and theirs and not set(mine) & set(theirs):
            return True
    makers = [[name.casefold() for name in names] for names in (one.manufacturer, other.manufacturer)]
    if all(makers) and not any(a.startswith(b) or b.startswith(a) for a in makers[0] for b in makers[1]):
        return True
    mine_equal, their_equal = dict(one.equals), dict(other.equals)
    return any(their_equal[tag] != value for tag, value in mine_equal.items() if tag in their_equal)


def effective(rules: Iterable[Rule], answers: Mapping[Predicate, bool]) -> tuple[Rule, ...]:
    """The rules that hold, one for a selector: a rule with a condition that is met goes before one
    without."""
    chosen: dict[object, Rule] = {}
    for rule in rules:
        if rule.when is None:
            chosen.setdefault(rule.selector, rule)
        elif answers[rule.when]:
            chosen[rule.selector] = rule
    return tuple(chosen.values())
