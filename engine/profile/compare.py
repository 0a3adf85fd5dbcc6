"""What two profiles do differently: to every attribute there is, or to those that some files hold. Values are never
shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.dicom import dictionary
from engine.dicom.dictionary import Attribute
from engine.errors import Refusal
from engine.profile import iod_types, private
from engine.profile.decide import Decider
from engine.profile.model import Profile
from engine.profile.predicates import effective, holds

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Difference:
    """An attribute that two profiles treat differently. `where` is its tag, or its path in a file; `left` and `right`
    are "action" or "action, nested action"."""

    where: str
    keyword: str
    left: str
    right: str


def compare(left: Profile, right: Profile) -> list[Difference]:
    """Every difference over standard and private attributes; conditions are taken as not met."""
    found = []
    deciders = [Decider(_unconditional(profile)) for profile in (left, right)]
    for attribute in _attributes():
        one, other = (_in_words(decider, attribute) for decider in deciders)
        if one != other:
            found.append(Difference(dictionary.format_tag(attribute.tag), attribute.keyword, one, other))
    privates = [_private(profile) for profile in (left, right)]
    for place in sorted(set(privates[0]) | set(privates[1])):
        one, other = (
            known.get(place, profile.unknown.private)
            for known, profile in zip(privates, (left, right), strict=True)
        )
        if one != other:
            found.append(Difference(f"({place[0]:04X},xx{place[2]:02X})", place[1], one, other))
    return found


def _attributes() -> Iterator[Attribute]:
    yield from dictionary.attributes().values()
    for row in dictionary.repeating_attributes():
        if row.value >> 24 in (0x50, 0x60):
            yield Attribute(row.value, row.vr, row.vm, row.keyword, row.retired)


def _unconditional(profile: Profile) -> Profile:
    return profile.with_rules(tuple(rule for rule in profile.rules if rule.when is None))


def _in_words(decider: Decider, attribute: Attribute) -> str:
    decision = decider.decide(attribute)
    value = (
        f" {decision.rule.value!r}" if decision.rule is not None and decision.rule.value is not None else ""
    )
    told = decision.top + value
    return told if decision.top == decision.nested else f"{told}, nested {decision.nested}"


def _private(profile: Profile) -> dict[tuple[int, str, int], str]:
    return {
        (s.group, s.creator, s.element): d.top for s, d in private.decisions(_unconditional(profile)).items()
    }


def compare_on_file(left: Profile, right: Profile, path: Path) -> list[Difference]:
    """The differences over the attributes that stand in the file. Raises Refusal for a file that cannot be read."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError, ValueError, KeyError, NotImplementedError) as error:
        raise Refusal("not-dicom", f"{path}: cannot be read as DICOM ({type(error).__name__})") from None
    sides = [_Side(profile, dataset) for profile in (left, right)]
    found: dict[str, Difference] = {}
    for where, attribute, creator in _elements(dataset, ()):
        one, other = (side.action(attribute, creator, nested="/" in where) for side in sides)
        if one != other:
            found.setdefault(where, Difference(where, attribute.keyword or creator, one, other))
    return list(found.values())


class _Side:
    """One profile as it treats one object."""

    def __init__(self, profile: Profile, dataset: Dataset) -> None:
        values = {
            element.tag: str(element.value).encode("ascii", "replace")
            for element in dataset
            if element.VR not in ("SQ", "OB", "OW", "UN")
        }
        conditions = {rule.when for rule in profile.rules if rule.when is not None}
        rules = effective(profile.rules, {condition: holds(condition, values) for condition in conditions})
        types = iod_types.types_of(str(dataset.get("SOPClassUID", "")))
        profile = profile.with_rules(rules)
        self._profile = profile
        self._decider = Decider(profile, iod_types.by_tag(types) if types and profile.is_basic else None)
        self._private = _private(profile)

    def action(self, attribute: Attribute, creator: str, *, nested: bool) -> str:
        tag = attribute.tag
        if tag >> 16 & 1:
            return self._private.get((tag >> 16, creator, tag & 0xFF), self._profile.unknown.private)
        if dictionary.lookup(tag) is None:
            return self._profile.unknown.standard
        decision = self._decider.decide(attribute)
        return decision.nested if nested else decision.top


def _elements(dataset: Dataset, above: tuple[str, ...]) -> Iterator[tuple[str, Attribute, str]]:
    """(path, attribute, private creator) of every element, sequences before what they hold."""
    for element in dataset:
        tag = int(element.tag)
        if tag & 0xFFFF == 0 or (tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF):
            continue
        known = dictionary.lookup(tag)
        attribute = known or Attribute(tag, str(element.VR), "1", "", retired=False)
        step = known.keyword if known is not None and known.keyword else dictionary.format_tag(tag)
        yield "/".join((*above, step)), attribute, str(element.private_creator or "")
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item, (*above, step))
