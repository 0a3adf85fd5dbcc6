"""Where a profile's own rules keep more than the Basic profile and the options that it claims.

What an object says of itself must be so: an attribute kept against the table is no conformance (PS3.15 E.1.1), and a
kept name is no removed identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.dicom import dictionary
from engine.profile.decide import Decider
from engine.profile.identifiers import identifiers
from engine.profile.model import Profile, Rule

# How much of a value an action lets through: nothing, something of it, what a sequence's own rules let through, all of
# it.
_CHANGED = (
    "shift-date",
    "truncate-date",
    "generalise-age",
    "clean-text",
    "clean-code",
    "clean-sr",
    "numeric-only",
)
_LETS_THROUGH = {**dict.fromkeys(_CHANGED, 1), "recurse": 2, "keep": 3}


@dataclass(frozen=True, slots=True)
class Deviation:
    """An attribute of which a rule keeps more than it should: what the rule does, and what table and options ask."""

    tag: int
    rule: Rule
    action: str
    asked: str
    is_identity: bool


def deviations(profile: Profile) -> list[Deviation]:
    """Every attribute of which a rule of `profile` keeps more than its base and options do, by tag."""
    if not profile.is_basic or not profile.rules:
        return []
    plain = Decider(profile.with_rules(()))
    named = frozenset(identifiers())
    found: dict[int, Deviation] = {}
    for rule, attribute in _reached(profile):
        asked = plain.decide(attribute)
        for action, due in ((rule.action, asked.top), (rule.nested or rule.action, asked.nested)):
            if _LETS_THROUGH.get(action, 0) > _LETS_THROUGH.get(due, 0):
                found.setdefault(
                    attribute.tag,
                    Deviation(attribute.tag, rule, action, due, action == "keep" and attribute.tag in named),
                )
    return sorted(found.values(), key=lambda deviation: deviation.tag)


def keeps_private(profile: Profile) -> bool:
    """Whether private attributes stay without the option that allows it."""
    if not profile.is_basic or "safe-private-numeric" in profile.options:
        return False
    return profile.unknown.private == "keep" or any(
        rule.private is not None and rule.action != "remove" for rule in profile.rules
    )


def _reached(profile: Profile) -> Iterator[tuple[Rule, dictionary.Attribute]]:
    """Each rule with each standard attribute that it may decide over."""
    for rule in profile.rules:
        tag = rule.path[-1] if rule.path is not None else rule.tag
        if tag is not None:
            yield rule, dictionary.attributes()[tag]
        elif rule.vr is not None:
            yield from ((rule, row) for row in dictionary.attributes().values() if row.vr == rule.vr)
        elif rule.group is not None:
            mask, value = rule.group
            for row in dictionary.repeating_attributes():
                if row.value & mask == value & row.mask:
                    yield rule, dictionary.Attribute(row.value, row.vr, row.vm, row.keyword, row.retired)
