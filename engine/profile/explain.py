"""Why a profile does what it does to an attribute: every rule that could decide, and the one that does."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from engine.dicom import dictionary
from engine.errors import ConfigError
from engine.profile import iod_types, private
from engine.profile.constants import Constants
from engine.profile.decide import Decider, Decision
from engine.profile.model import Level, PrivateSelector, Profile, Rule
from engine.profile.tables import overlay, safe_private, table


@dataclass(frozen=True, slots=True)
class Explanation:
    """An attribute, the decision over it, and what else had a say, the strongest first.

    `value` is what is written where the decision writes one value for everybody; `by_iod` counts SOP classes by what
    happens at the top level of their objects, where that depends on the IOD; `considered` are (level, rule) in words.
    """

    tag: str
    keyword: str
    vr: str
    retired: bool
    decision: Decision
    value: bytes
    by_iod: dict[str, int]
    considered: tuple[tuple[str, str], ...]


def explain(profile: Profile, text: str) -> Explanation:
    """The explanation for a keyword, a tag, or a private element written as "(gggg,xxee) CREATOR".

    Raises ConfigError for a text that names no attribute.
    """
    repeats = re.fullmatch(r"\(?(50|60)xx,([0-9A-Fa-f]{4})\)?", text)
    tag = dictionary.parse_tag(f"{repeats[1]}00{repeats[2]}" if repeats else text)
    if tag is not None and not tag >> 16 & 1:
        return _of_standard(profile, tag)
    selector = _private_selector(text)
    if selector is not None:
        return _of_private(profile, selector)
    alike = dictionary.suggestions(text)
    hint = (
        f"did you mean {' or '.join(alike)}?" if alike else 'private elements are named "(0019,xx0C) CREATOR"'
    )
    raise ConfigError("tag-unknown", f"{text} names no attribute", hint=hint)


def _of_standard(profile: Profile, tag: int) -> Explanation:
    attribute = dictionary.lookup(tag)
    if attribute is None:
        decision = Decision(
            profile.unknown.standard,
            profile.unknown.standard,
            Level.UNKNOWN,
            "not in the dictionary of PS3.6",
        )
        return Explanation(dictionary.format_tag(tag), "", "UN", False, decision, b"", {}, ())
    decision = Decider(profile).decide(attribute)
    constants = Constants()
    _, _, argument = constants.codes(decision, attribute)
    return Explanation(
        tag=dictionary.format_tag(tag),
        keyword=attribute.keyword,
        vr=attribute.vr,
        retired=attribute.retired,
        decision=decision,
        value=constants.values[argument] if "replace" in _written(decision) else b"",
        by_iod=_by_iod(profile, attribute, decision),
        considered=tuple(_considered(profile, attribute)),
    )


def _written(decision: Decision) -> set[str]:
    return {"replace" for action in (decision.top, decision.nested) if action in ("replace", "dummy")}


def _by_iod(profile: Profile, attribute: dictionary.Attribute, decision: Decision) -> dict[str, int]:
    if "/" not in decision.code or decision.level is not Level.BASE:
        return {}
    counted: Counter[str] = Counter()
    for types, classes in iod_types.groups():
        counted[Decider(profile, iod_types.by_tag(types)).decide(attribute).top] += len(classes)
    return dict(counted.most_common())


def _considered(profile: Profile, attribute: dictionary.Attribute) -> list[tuple[str, str]]:
    said = [
        (rule.level.name.lower(), _in_words(rule))
        for rule in sorted(profile.rules, key=lambda rule: rule.level)
        if _selects(rule, attribute)
    ]
    for name, rows in (("overlay", overlay()), ("Table E.1-1", table())):
        row = rows.find(attribute.tag)
        if row is None or not profile.is_basic:
            continue
        for option, code in row.options.items():
            told = "applied" if option in profile.options else "not chosen"
            said.append(("option", f"{code} under {option}, {told} ({name})"))
        said.append(("base", f"{row.code} ({name})" + (f": {row.why}" if row.why else "")))
    return said


def _selects(rule: Rule, attribute: dictionary.Attribute) -> bool:
    if rule.path is not None:
        return rule.path[-1] == attribute.tag
    if rule.tag is not None:
        return rule.tag == attribute.tag
    if rule.group is not None:
        return attribute.tag & rule.group[0] == rule.group[1]
    return rule.vr is not None and rule.vr == attribute.vr


def _in_words(rule: Rule) -> str:
    words = [rule.action]
    if rule.nested is not None:
        words.append(f"nested {rule.nested}")
    if rule.value is not None:
        words.append(f"with {rule.value!r}")
    if rule.path is not None:
        words.append("at " + "/".join(dictionary.keyword_of(tag) for tag in rule.path))
    if rule.when is not None:
        words.append("under a condition")
    return f"{', '.join(words)} (line {rule.line})" + (f": {rule.why}" if rule.why else "")


def _private_selector(text: str) -> PrivateSelector | None:
    place, _, creator = text.partition(" ")
    group, _, element = place.strip("()").lower().partition(",")
    try:
        number, low = int(group, 16), int(element.removeprefix("xx"), 16)
    except ValueError:
        return None
    if len(group) != 4 or not number & 1 or not creator.strip() or not element.startswith("xx") or low > 0xFF:
        return None
    return PrivateSelector(number, creator.strip(), low)


def _of_private(profile: Profile, selector: PrivateSelector) -> Explanation:
    listed = {(group, creator, element): vr for group, creator, element, vr in safe_private()}
    place = (selector.group, selector.creator, selector.element)
    said = [
        ("private", _in_words(rule))
        for rule in profile.rules
        if rule.private is not None
        and (rule.private.group, rule.private.creator, rule.private.element) == place
    ]
    if place in listed:
        told = (
            private.safe_action(listed[place])
            or f"not kept: VR {listed[place] or 'unknown'} cannot be checked"
        )
        chosen = "applied" if private.SAFE_PRIVATE in profile.options else "not chosen"
        said.append(("option", f"{told} under {private.SAFE_PRIVATE}, {chosen} (Table E.3.10-1)"))
    decided = {(s.group, s.creator, s.element): (s.vr, d) for s, d in private.decisions(profile).items()}
    action = profile.unknown.private
    unnamed = Decision(action, action, Level.UNKNOWN, "private attributes that no rule names (E.1-1: X)")
    vr, decision = decided.get(place, (listed.get(place, ""), unnamed))
    tag = f"({selector.group:04X},xx{selector.element:02X})"
    return Explanation(tag, selector.creator, vr or "UN", False, decision, b"", {}, tuple(said))
