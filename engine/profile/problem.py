"""Errors of one profile, told with file, line and key."""

from __future__ import annotations

from engine.errors import ConfigError
from engine.profile.lines import Lines


class Problem:
    """Makes errors of one profile: file, line, key, what is wrong, what would be right."""

    def __init__(self, source: str, lines: Lines) -> None:
        self._source = source
        self._lines = lines

    def line(self, rule: int | None = None, key: str = "") -> int:
        """Line of `key`, in the rule with this number if one is given; 0 where it is not found."""
        return self._lines.find(rule, key)

    def error(self, message: str, *, key: str = "", rule: int | None = None, hint: str = "") -> ConfigError:
        where = f"{self._source}:{self.line(rule, key)}"
        name = f"rule.{key}" if rule is not None and key else key or "rule"
        return ConfigError("profile", f"{where}: {name}: {message}", hint=hint)
