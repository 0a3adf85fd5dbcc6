"""The values that a program writes, each once, and the step from a decision to the rewriter's codes."""

from __future__ import annotations

from engine.dicom.dictionary import Attribute
from engine.profile.actions import CODES
from engine.profile.decide import Decision
from engine.profile.dummies import DOCUMENT, DUMMIES, DUMMY_BY_TAG, encode

# Actions whose argument is the dummy of the VR; dates and ages fall back on it where a value cannot be read, cleaned
# text where nothing of a value that must be there is left.
_WITH_DUMMY = frozenset({"dummy", "shift-date", "truncate-date", "generalise-age"})


class Constants:
    """Collects constant values; `values[0]` is empty."""

    def __init__(self, document: bytes = DOCUMENT) -> None:
        """`document` is what an Encapsulated Document becomes."""
        self.values: list[bytes] = [b""]
        self._index: dict[bytes, int] = {b"": 0}
        self._document = document

    def index(self, value: bytes) -> int:
        """Where `value` stands, adding it if it is new."""
        found = self._index.get(value)
        if found is None:
            found = self._index[value] = len(self.values)
            self.values.append(value)
        return found

    def codes(self, decision: Decision, attribute: Attribute) -> tuple[int, int, int]:
        """(action at the top level, action when nested, argument). Raises ConfigError for a value that the VR
        cannot hold."""
        argument = 0
        if "replace" in (decision.top, decision.nested) and decision.rule is not None:
            argument = self.index(encode(attribute.vr, decision.rule.value))
        elif _WITH_DUMMY & {decision.top, decision.nested} or decision.needs_value:
            argument = self.index(DUMMY_BY_TAG.get(attribute.tag) or DUMMIES[attribute.vr])
        elif "replace-document" in (decision.top, decision.nested):
            argument = self.index(self._document)
        return _code(decision.top, attribute), _code(decision.nested, attribute), argument


def _code(action: str, attribute: Attribute) -> int:
    if action == "dummy":
        # A dummy UID would be the same in every object; a dummy sequence has dummies in its items.
        return CODES[{"UI": "new-uid", "SQ": "scrub"}.get(attribute.vr, "replace")]
    return CODES[action]
