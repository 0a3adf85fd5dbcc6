"""What a rule selects: an attribute, a path, a VR, a repeating group, or elements of a private block.

Each selector yields (what `Rule` holds, tag or None, VR or None where many VRs are meant).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from engine.dicom import dictionary
from engine.dicom.dictionary import Attribute
from engine.profile.dummies import DUMMIES
from engine.profile.model import PrivateSelector

if TYPE_CHECKING:
    from engine.profile.problem import Problem

_GROUP = re.compile(r"([0-9A-Fa-f]{2})xx(?:,?([0-9A-Fa-f]{4}|xxxx))?")
# The two blocks of repeating groups (PS3.5 7.6).
_REPEATING = {"50", "60"}


def attribute(text: object, key: str, number: int, problem: Problem) -> Attribute:
    """The standard attribute that `text` names in rule `number` under `key`. Raises ConfigError for any other text."""
    if not isinstance(text, str):
        raise problem.error("a keyword or a tag is needed, as a string", key=key, rule=number)
    tag = dictionary.parse_tag(text)
    found = dictionary.lookup(tag) if tag is not None else None
    if found is None:
        if tag is not None and tag >> 16 & 1:
            hint = "private attributes are selected with private = { group, creator, element }"
        else:
            alike = dictionary.suggestions(text)
            hint = (
                f"did you mean {' or '.join(alike)}?"
                if alike
                else "the dictionary of PS3.6 has no such attribute"
            )
        raise problem.error(f"unknown attribute {text}", key=key, rule=number, hint=hint)
    if tag is not None and tag not in dictionary.attributes():
        raise problem.error(
            f"{text} is in a repeating group", key=key, rule=number, hint='select it with group = "60xx,3000"'
        )
    return found


def _tag(value: object, number: int, problem: Problem) -> Iterator[tuple[int, int | None, str | None]]:
    found = attribute(value, "tag", number, problem)
    yield found.tag, found.tag, found.vr


def _path(
    value: object, number: int, problem: Problem
) -> Iterator[tuple[tuple[int, ...], int | None, str | None]]:
    if not isinstance(value, str) or "/" not in value:
        raise problem.error(
            "a path is keywords from the top level down, with / between them", key="path", rule=number
        )
    steps = [attribute(step, "path", number, problem) for step in value.split("/")]
    for step in steps[:-1]:
        if step.vr != "SQ":
            raise problem.error(f"{step.keyword} is no sequence", key="path", rule=number)
    yield tuple(step.tag for step in steps), steps[-1].tag, steps[-1].vr


def _vr(value: object, number: int, problem: Problem) -> Iterator[tuple[str, int | None, str | None]]:
    if not isinstance(value, str) or value not in DUMMIES:
        raise problem.error(f"one of {', '.join(sorted(DUMMIES))} is needed", key="vr", rule=number)
    yield value, None, value


def _group(
    value: object, number: int, problem: Problem
) -> Iterator[tuple[tuple[int, int], int | None, str | None]]:
    found = _GROUP.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[1] not in _REPEATING:
        raise problem.error(
            '"50xx", "60xx" or one attribute of them like "60xx,3000" is needed', key="group", rule=number
        )
    group = int(found[1], 16) << 24
    if found[2] is None or found[2] == "xxxx":
        yield (0xFFE10000, group), None, None
        return
    mask, tag = 0xFFE1FFFF, group | int(found[2], 16)
    known = dictionary.lookup(tag)
    if known is None:
        raise problem.error(f"unknown attribute {value}", key="group", rule=number)
    yield (mask, tag), None, known.vr


def _private(
    value: object, number: int, problem: Problem
) -> Iterator[tuple[PrivateSelector, int | None, str | None]]:
    if not isinstance(value, dict) or not {"group", "creator", "element"} <= set(value) <= {
        "group",
        "creator",
        "element",
        "vr",
    }:
        raise problem.error(
            'private = { group = 0x0019, creator = "…", element = 0x0C } is needed; vr where it is not known',
            key="private",
            rule=number,
        )
    group, creator, vr = value["group"], value["creator"], value.get("vr", "")
    if not isinstance(group, int) or isinstance(group, bool) or not 9 <= group <= 0xFFFF or not group & 1:
        raise problem.error("group is an odd number from 0x0009", key="private", rule=number)
    if not isinstance(creator, str) or not 1 <= len(creator.strip()) <= 64 or not creator.isascii():
        raise problem.error(
            "creator is the text that reserves the block, 1 to 64 characters", key="private", rule=number
        )
    if vr and vr not in DUMMIES:
        raise problem.error(f"no VR is called {vr}", key="private", rule=number)
    elements = value["element"] if isinstance(value["element"], list) else [value["element"]]
    for element in elements:
        if not isinstance(element, int) or isinstance(element, bool) or not 0 <= element <= 0xFF:
            raise problem.error(
                "element is the low byte of the tag, 0x00 to 0xFF", key="private", rule=number
            )
        yield PrivateSelector(group, creator.strip(), element, vr), None, vr or None


Selected = Iterator[tuple[Any, int | None, str | None]]
SELECTORS: dict[str, Callable[[object, int, Problem], Selected]] = {
    "tag": _tag,
    "path": _path,
    "vr": _vr,
    "group": _group,
    "private": _private,
}
