"""Reads a profile from TOML. Strict: what it does not know is an error that names the line and the key.

A profile is a shipped name ("default") or the path of a file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.profile.lines import Lines
from engine.profile.model import BASES, EXCLUSIVE, OPTIONS, Profile, Rule, Unknown
from engine.profile.pixels import PixelRules, PixelRulesError, parse_pixels
from engine.profile.predicates import exclusive
from engine.profile.problem import Problem
from engine.profile.rules import parse_rule

_KEYS = ("profile", "description", "base", "options", "unknown", "issuer", "pixels", "rule")
# What cannot be parsed has no end that can be trusted, so there is one thing to do with it.
UNKNOWN = {
    "standard": ("remove", "keep", "quarantine", "refuse"),
    "private": ("remove", "keep"),
    "unparsable": ("quarantine",),
}
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def shipped() -> list[str]:
    """Names of the profiles that come with the package."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in _folder().iterdir() if entry.name.endswith(".toml")
    )


def load(name_or_path: str) -> Profile:
    """The profile of that name, or in that file. Raises ConfigError, naming file, line and key."""
    if "/" not in name_or_path and not name_or_path.endswith(".toml"):
        if name_or_path not in shipped():
            raise ConfigError(
                "profile-unknown",
                f"no profile is called {name_or_path}",
                hint=f"shipped are {', '.join(shipped())}; a file is named by a path that ends in .toml",
            )
        return loads((_folder() / f"{name_or_path}.toml").read_text(encoding="utf-8"), name_or_path)
    path = Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError("profile-unreadable", f"cannot read the profile {path}: {reason}") from error
    return loads(text, str(path))


def loads(text: str, source: str) -> Profile:
    """The profile in `text`; `source` names it in errors."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("profile-syntax", f"{source}: not TOML: {error}") from error
    problem = Problem(source, Lines(text))
    for key in data:
        if key not in _KEYS:
            raise problem.error("unknown key", key=key, hint=f"a profile has {', '.join(_KEYS)}")
    profile = Profile(
        name=_name(data, problem),
        base=_one_of(data, "base", BASES, problem),
        description=_text(data, "description", problem),
        options=_options(data, problem),
        unknown=_unknown(data, problem),
        issuer=_flag(data, "issuer", problem),
        rules=_rules(data, problem),
        pixels=_pixels(data, problem),
        source=source,
    )
    if profile.options and not profile.is_basic:
        raise problem.error("options need the Basic profile as base", key="options")
    return profile


def _folder() -> Any:
    return files(__package__) / "profiles"


def _name(data: Mapping[str, Any], problem: Problem) -> str:
    name = data.get("profile")
    if not isinstance(name, str) or not 1 <= len(name) <= 40 or not set(name) <= _NAME_CHARACTERS:
        # The name is written into every object, so it must be safe to show to anybody.
        raise problem.error("a name of 1 to 40 small letters, digits and hyphens is needed", key="profile")
    return name


def _text(data: Mapping[str, Any], key: str, problem: Problem) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        raise problem.error("a string is needed", key=key)
    return value


def _flag(data: Mapping[str, Any], key: str, problem: Problem) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise problem.error("true or false is needed", key=key)
    return value


def _one_of(data: Mapping[str, Any], key: str, allowed: tuple[str, ...], problem: Problem) -> str:
    value = data.get(key)
    if not isinstance(value, str) or value not in allowed:
        raise problem.error(f"one of {', '.join(allowed)} is needed", key=key)
    return value


def _options(data: Mapping[str, Any], problem: Problem) -> tuple[str, ...]:
    names = data.get("options", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise problem.error("a list of names is needed", key="options")
    for name in names:
        if name not in OPTIONS:
            raise problem.error(
                f"no option is called {name}", key="options", hint=f"known are {', '.join(OPTIONS)}"
            )
        if names.count(name) > 1:
            raise problem.error(f"{name} stands there twice", key="options")
    for pair in EXCLUSIVE:
        if set(pair) <= set(names):
            raise problem.error(f"{' and '.join(pair)} exclude each other", key="options")
    return tuple(names)


def _unknown(data: Mapping[str, Any], problem: Problem) -> Unknown:
    table = data.get("unknown", {})
    if not isinstance(table, dict):
        raise problem.error("a table is needed", key="unknown")
    for key, value in table.items():
        allowed = UNKNOWN.get(key)
        if allowed is None:
            raise problem.error(f"unknown key {key}", key="unknown", hint=f"it has {', '.join(UNKNOWN)}")
        if value not in allowed:
            raise problem.error(f"{key} is one of {', '.join(allowed)}", key="unknown")
    return Unknown(**table)


def _pixels(data: Mapping[str, Any], problem: Problem) -> PixelRules:
    table = data.get("pixels", {})
    if not isinstance(table, dict):
        raise problem.error("a table is needed", key="pixels")
    try:
        return parse_pixels(table)
    except PixelRulesError as wrong:
        raise problem.error(str(wrong), key="pixels") from None


def _rules(data: Mapping[str, Any], problem: Problem) -> tuple[Rule, ...]:
    tables = data.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise problem.error("rules are written as [[rule]]", key="rule")
    rules: list[Rule] = []
    for number, table in enumerate(tables):
        for rule in parse_rule(table, number, problem):
            for before in rules:
                if _collide(before, rule):
                    raise problem.error(
                        f"the rule at line {before.line} is for the same attributes",
                        rule=number,
                        hint="keep one of the two"
                        if rule.when is None
                        else "conditions must exclude each other, by different values of one attribute",
                    )
            rules.append(rule)
    return tuple(rules)


def _collide(one: Rule, other: Rule) -> bool:
    """Whether two rules of equal strength could both apply to one attribute of one object."""
    if one.selector != other.selector:
        return False
    if one.when is None or other.when is None:
        return one.when is other.when
    return not exclusive(one.when, other.when)
