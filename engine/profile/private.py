"""Private attributes that a profile keeps: the safe list's numbers and codes, and what the profile's own
rules say.

Everything else private is removed, with its creator (PS3.15 E.3.10). The list calls texts, UIDs, sequences
and binary data safe too; here they are not, because nothing about them can be checked.
"""

from __future__ import annotations

from engine.dicom.dictionary import Attribute
from engine.errors import ConfigError
from engine.profile.constants import Constants
from engine.profile.decide import Decision
from engine.profile.model import Level, PrivateSelector, Profile, Rule
from engine.profile.program import PrivateRule
from engine.profile.tables import safe_private

SAFE_PRIVATE = "safe-private-numeric"
NUMERIC = frozenset({"US", "SS", "UL", "SL", "FL", "FD", "DS", "IS"})
# What is kept must be what the list says it is: a number, or a code of letters, digits and underscores.
_CHECKED = {**dict.fromkeys(NUMERIC, "numeric-only"), "CS": "clean-code"}


def safe_action(vr: str) -> str | None:
    """What happens to an element of the safe list; None where its VR cannot be checked."""
    return _CHECKED.get(vr)


def decisions(profile: Profile) -> dict[PrivateSelector, Decision]:
    """Every private attribute that is not simply removed, by (group, creator, element, VR)."""
    decided: dict[tuple[int, str, int], tuple[PrivateSelector, Decision]] = {}
    known = {(group, creator, element): vr for group, creator, element, vr in safe_private()}
    if SAFE_PRIVATE in profile.options:
        for place, vr in known.items():
            action = safe_action(vr)
            if action is not None:
                selector = PrivateSelector(*place, vr)
                decided[place] = selector, Decision(action, action, Level.OPTION, "Table E.3.10-1", "C")
    for rule in profile.rules:
        if rule.private is None:
            continue
        place = (rule.private.group, rule.private.creator, rule.private.element)
        vr = rule.private.vr or known.get(place, "")
        if not vr:
            raise ConfigError(
                "profile",
                f"{profile.source}:{rule.line}: rule.private: the VR of this element is in no table",
                hint='add vr = "…" to the selector',
            )
        decided[place] = PrivateSelector(*place, vr), _decision(rule, vr)
    return dict(decided.values())


def _decision(rule: Rule, vr: str) -> Decision:
    """Keeping a number or a code means keeping it where it is one."""
    actions = [
        _CHECKED.get(vr, word) if word == "keep" else word
        for word in (rule.action, rule.nested or rule.action)
    ]
    return Decision(actions[0], actions[1], Level.PRIVATE, f"rule at line {rule.line}", rule=rule)


def private_rules(profile: Profile, constants: Constants) -> list[PrivateRule]:
    """The decisions as the rewriter takes them. It has one action for both depths."""
    rows: list[PrivateRule] = []
    for selector, decision in decisions(profile).items():
        attribute = Attribute(0, selector.vr, "1", "", retired=False)
        top, _, argument = constants.codes(decision, attribute)
        rows.append(
            (selector.group, selector.creator.encode("ascii"), selector.element, selector.vr, top, argument)
        )
    return rows
