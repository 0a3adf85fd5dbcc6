"""One `[[rule]]` of a profile: what it selects, what it does, and whether the one can take the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.dicom import dictionary
from engine.errors import ConfigError
from engine.profile.actions import ADMISSIBLE, ENCAPSULATED_DOCUMENT, HASHES, is_admissible
from engine.profile.dummies import encode
from engine.profile.model import Predicate, Rule
from engine.profile.selectors import SELECTORS, attribute

if TYPE_CHECKING:
    from engine.profile.problem import Problem

KEYS = (*SELECTORS, "action", "nested", "value", "when", "why")
CONDITIONS = ("modality", "sop-class", "manufacturer", "present", "equals")
# What can be asked of attributes whose VRs differ.
_OF_ANY_VR = frozenset({"keep", "remove", "empty", "dummy", "quarantine", "refuse"})


def parse_rule(table: Mapping[str, Any], number: int, problem: Problem) -> Iterator[Rule]:
    """The rules that one `[[rule]]` stands for: one, or one for each element that a private selector
    lists."""
    for key in table:
        if key not in KEYS:
            raise problem.error("unknown key", key=key, rule=number, hint=f"a rule has {', '.join(KEYS)}")
    selectors = [key for key in SELECTORS if key in table]
    if len(selectors) != 1:
        told = f"it has {' and '.join(selectors)}" if selectors else "it has none"
        raise problem.error(f"a rule selects by exactly one of {', '.join(SELECTORS)}; {told}", rule=number)
    kind = selectors[0]
    action = _action(table, "action", number, problem)
    nested = _action(table, "nested", number, problem) if "nested" in table else None
    when = _when(table["when"], number, problem) if "when" in table else None
    for selected, tag, vr in SELECTORS[kind](table[kind], number, problem):
        for key, wanted in (("action", action), ("nested", nested)):
            if wanted is None or (vr is None and wanted in _OF_ANY_VR):
                continue
            if vr is None or not is_admissible(wanted, tag, vr):
                raise problem.error(_cannot(wanted, tag, vr), key=key, rule=number)
        value = _value(table, action, nested, vr, number, problem)
        yield Rule(
            action=action,
            nested=nested,
            value=value,
            when=when,
            why=_why(table, number, problem),
            line=problem.line(number),
            **{kind: selected},
        )


def _cannot(action: str, tag: int | None, vr: str | None) -> str:
    if vr is None:
        return f"attributes of several VRs are selected; they can take {', '.join(sorted(_OF_ANY_VR))}"
    what = dictionary.keyword_of(tag) if tag is not None else f"VR {vr}"
    if action == "hash":
        return f"{what} cannot be hashed: only {', '.join(dictionary.keyword_of(tag) for tag in HASHES)} can"
    if action == "replace-document":
        return f"{what} is no document: only {dictionary.keyword_of(ENCAPSULATED_DOCUMENT)} is"
    vrs = ", ".join(sorted(ADMISSIBLE[action] or ()))
    return (
        f"{what} has VR {vr}, and {action} is for {vrs}"
        if tag is not None
        else f"{action} is for {vrs}, not for {what}"
    )


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


def _why(table: Mapping[str, Any], number: int, problem: Problem) -> str:
    why = table.get("why", "")
    if not isinstance(why, str):
        raise problem.error("a string is needed", key="why", rule=number)
    return why


def _when(value: object, number: int, problem: Problem) -> Predicate:
    """The closed questions that a rule may ask."""
    if not isinstance(value, dict) or not value:
        raise problem.error(f"a table of {', '.join(CONDITIONS)} is needed", key="when", rule=number)
    for key in value:
        if key not in CONDITIONS:
            raise problem.error(
                f"unknown key {key}", key="when", rule=number, hint=f"it has {', '.join(CONDITIONS)}"
            )
    equals = value.get("equals", {})
    if not isinstance(equals, dict) or not all(isinstance(wanted, str) for wanted in equals.values()):
        raise problem.error('equals = { Keyword = "value" } is needed', key="when", rule=number)
    return Predicate(
        modality=_names(value, "modality", number, problem),
        sop_class=_names(value, "sop-class", number, problem),
        manufacturer=_names(value, "manufacturer", number, problem),
        present=tuple(
            attribute(word, "when", number, problem).tag for word in _names(value, "present", number, problem)
        ),
        equals=tuple(
            sorted((attribute(word, "when", number, problem).tag, wanted) for word, wanted in equals.items())
        ),
    )


def _names(table: Mapping[str, Any], key: str, number: int, problem: Problem) -> tuple[str, ...]:
    """A string or a list of strings, none of them empty."""
    value = table.get(key, [])
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise problem.error(f"{key} is a string or a list of strings", key="when", rule=number)
    if key in table and not names:
        raise problem.error(f"{key} names nothing", key="when", rule=number)
    return tuple(names)
