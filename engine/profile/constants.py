"""The values that a program writes, each once, and the step from a decision to the rewriter's codes."""

from __future__ import annotations

from engine.dicom.dictionary import Attribute
from engine.profile.actions import CODES
from engine.profile.decide import Decision
from engine.profile.dummies import DOCUMENTS, DUMMIES, DUMMY_BY_TAG, encode

# Actions whose argument is the dummy of the VR; dates and ages fall back on it where a value cannot be read.
_WITH_DUMMY = frozenset({"dummy", "shift-date", "truncate-date", "generalise-age"})


class Constants:
    """Collects constant values; `values[0]` is empty."""

    def __init__(self) -> None:
        self.values: list[bytes] = [b""]
        self._index: dict[bytes, int] = {b"": 0}
        self._documents = 0

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
        elif _WITH_DUMMY & {decision.top, decision.nested}:
            argument = self.index(DUMMY_BY_TAG.get(attribute.tag) or DUMMIES[attribute.vr])
        elif "replace-document" in (decision.top, decision.nested):
            argument = self._document_index()
        return _code(decision.top, attribute), _code(decision.nested, attribute), argument

    def _document_index(self) -> int:
        """Documents are asked for by position, so they stand together and are never shared with other
        values."""
        if not self._documents:
            self._documents = len(self.values)
            self.values.extend(DOCUMENTS)
        return self._documents


def _code(action: str, attribute: Attribute) -> int:
    if action == "dummy":
        # A dummy UID would be the same in every object; a dummy sequence has dummies in its items.
        return CODES[{"UI": "new-uid", "SQ": "scrub"}.get(attribute.vr, "replace")]
    return CODES[action]
