"""Status codes of C-STORE and C-ECHO responses (PS3.4 B.2.3, PS3.7 annex C)."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """What a response says. A sender repeats what was refused for lack of resources; it need not repeat the
    rest."""

    SUCCESS = 0x0000
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORIZED = 0x0124
    DUPLICATE_INVOCATION = 0x0210
    UNRECOGNIZED_OPERATION = 0x0211
    PROCESSING_FAILURE = 0x0110
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_DOES_NOT_MATCH_SOP_CLASS = 0xA900
    CANNOT_UNDERSTAND = 0xC000

    @property
    def is_retryable(self) -> bool:
        """Whether the same object may be taken later."""
        return self is Status.OUT_OF_RESOURCES
