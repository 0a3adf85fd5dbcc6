"""Line numbers of keys in a TOML text, for messages: `tomllib` forgets them."""

from __future__ import annotations

import re

_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*[\"']?([\w-]+)[\"']?(?:\.[\w.-]+)?\s*=")


class Lines:
    """Where the tables and keys of a text begin. A text that is not plainly laid out gives 0, never a wrong
    line."""

    def __init__(self, text: str) -> None:
        self._top: dict[str, int] = {}
        self._rules: list[dict[str, int]] = []
        keys = self._top
        for number, line in enumerate(text.splitlines(), start=1):
            header = _HEADER.match(line)
            if header is not None:
                if header[1] == "rule":
                    keys = {"": number}
                    self._rules.append(keys)
                elif not header[1].startswith("rule."):
                    keys = {}
                    self._top.setdefault(header[1], number)
                continue
            key = _KEY.match(line)
            if key is not None:
                keys.setdefault(key[1], number)

    def find(self, rule: int | None, key: str) -> int:
        """Line of `key` at the top, or in the rule with this number (from 0); of the rule itself where the
        key is not there."""
        if rule is None:
            return self._top.get(key, 0)
        if rule >= len(self._rules):
            return 0
        keys = self._rules[rule]
        return keys.get(key, keys[""])
