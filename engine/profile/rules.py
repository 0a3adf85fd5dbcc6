"""One `[[rule]]` of a profile: what it selects, what it does, and whether the one can take the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.dicom import dictionary
from engine.dicom.dictionary import Attribute
from engine.errors import ConfigError
from engine.profile.actions import ADMISSIBLE, ENCAPSULATED_DOCUMENT, HASHES, is_admissible
from engine.profile.dummies import DUMMIES, encode
from engine.profile.model import PrivateSelector, Rule

if TYPE_CHECKING:
    from engine.profile.loader import Problem

_SELECTORS = ("path", "tag", "private", "group", "vr")
_KEYS = (*_SELECTORS, "action", "nested", "value", "why")
_GROUP = re.compile(r"([0-9A-Fa-f]{2})xx(?:,?([0-9A-Fa-f]{4}|xxxx))?")
# The two blocks of repeating groups (PS3.5 7.6).
_REPEATING = {"50", "60"}


def parse_rule(table: Mapping[str, Any], number: int, problem: Problem) -> Iterator[Rule]:
    """The rules that one `[[rule]]` stands for: one, or one for each element that a private selector
    lists."""
    for key in table:
        if key not in _KEYS:
            raise problem.error("unknown key", key=key, rule=number, hint=f"a rule has {', '.join(_KEYS)}")
    selectors = [key for key in _SELECTORS if key in table]
    if len(selectors) != 1:
        told = f"it has {' and '.join(selectors)}" if selectors else "it has none"
        raise problem.error(f"a rule selects by exactly one of {', '.join(_SELECTORS)}; {told}", rule=number)
    kind = selectors[0]
    action = _action(table, "action", number, problem)
    nested = _action(table, "nested", number, problem) if "nested" in table else None
    for selected, tag, vr in _SELECT[kind](table[kind], number, problem):
        for key, wanted in (("action", action), ("nested", nested)):
            if wanted is not None and vr is not None and not is_admissible(wanted, tag, vr):
                raise problem.error(_cannot(wanted, tag, vr), key=key, rule=number)
        value = _value(table, action, nested, vr, number, problem)
        yield Rule(action=action, nested=nested, value=value, line=problem.line(number), **{kind: selected})


def _cannot(action: str, tag: int | None, vr: str) -> str:
    what = dictionary.keyword_of(tag) if tag is not None else f"VR {vr}"
    if action == "hash":
        return f"{what} cannot be hashed: only {', '.join(dictionary.keyword_of(tag) for tag in HASHES)} can"
    if action == "replace-document":
        return f"{what} is no document: only {dictionary.keyword_of(ENCAPSULATED_DOCUMENT)} is"
    return f"{what} has VR {vr}, and {action} is for {', '.join(sorted(ADMISSIBLE[action] or ()))}"


def _action(table: Mapping[str, Any], key: str, number: int, problem: Problem) -> str:
    action = table.get(key)
    if not isinstance(action, str) or action not in ADMISSIBLE:
        raise problem.error(
            "an action is needed" if action is None else f"no action is called {action}",
            key=key,
            rule=number,
            hint=f"known are {', '.join(ADMISSIBLE)}",
        )
    return action


def _value(
    table: Mapping[str, Any], action: str, nested: str | None, vr: str | None, number: int, problem: Problem
) -> str | int | float | None:
    replaces = "replace" in (action, nested)
    if replaces != ("value" in table):
        message = "replace needs a value" if replaces else "only replace takes a value"
        raise problem.error(message, key="value" if "value" in table else "action", rule=number)
    if not replaces or vr is None:
        return None
    try:
        encode(vr, table["value"])
    except ConfigError as error:
        raise problem.error(error.message, key="value", rule=number) from error
    value: str | int | float = table["value"]
    return value


def _attribute(text: object, key: str, number: int, problem: Problem) -> Attribute:
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
    attribute = _attribute(value, "tag", number, problem)
    yield attribute.tag, attribute.tag, attribute.vr


def _path(
    value: object, number: int, problem: Problem
) -> Iterator[tuple[tuple[int, ...], int | None, str | None]]:
    if not isinstance(value, str) or "/" not in value:
        raise problem.error(
            "a path is keywords from the top level down, with / between them", key="path", rule=number
        )
    steps = [_attribute(step, "path", number, problem) for step in value.split("/")]
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
    attribute = dictionary.lookup(tag)
    if attribute is None:
        raise problem.error(f"unknown attribute {value}", key="group", rule=number)
    yield (mask, tag), None, attribute.vr


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


_SELECT: dict[str, Any] = {"tag": _tag, "path": _path, "vr": _vr, "group": _group, "private": _private}
