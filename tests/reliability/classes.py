"""Row 11: the failure classes of this field, and the tests that try each."""

from __future__ import annotations

from typing import Final

CLASSES: Final[dict[str, tuple[str, ...]]] = {}
