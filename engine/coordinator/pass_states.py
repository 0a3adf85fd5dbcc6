"""The states of a study pass, as a table."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from engine.errors import SpoolError


class PassState(StrEnum):
    FOUNDING = "founding"  # its key and study are being made durable; objects wait in received/
    OPEN = "open"  # takes objects
    PERSISTING = (
        "persisting"  # quiet, every object planned; the plans are being made durable; still takes objects
    )
    CLOSING = "closing"  # over its cap: takes none, its last plans are being made
    ENDING = "ending"  # as persisting, for good
    SEALED = "sealed"  # no key; what is left waits for receipts


class PassEvent(StrEnum):
    FOUNDED = "founded"
    JOIN = "join"  # an object is put into it
    CAP = "cap"  # it has been open for too long
    QUIET = "quiet"  # nothing came for the quiet period, nobody holds it, everything is planned
    DURABLE = "durable"  # every plan is on the disk
    SPOILED = "spoiled"  # a plan is damaged or lost, and has to be made again


TABLE: Final[dict[tuple[PassState, PassEvent], PassState]] = {
    (PassState.FOUNDING, PassEvent.JOIN): PassState.FOUNDING,
    (PassState.FOUNDING, PassEvent.FOUNDED): PassState.OPEN,
    (PassState.OPEN, PassEvent.JOIN): PassState.OPEN,
    (PassState.OPEN, PassEvent.CAP): PassState.CLOSING,
    (PassState.OPEN, PassEvent.QUIET): PassState.PERSISTING,
    (PassState.OPEN, PassEvent.SPOILED): PassState.OPEN,
    (PassState.PERSISTING, PassEvent.JOIN): PassState.OPEN,
    (PassState.PERSISTING, PassEvent.CAP): PassState.ENDING,
    (PassState.PERSISTING, PassEvent.DURABLE): PassState.SEALED,
    (PassState.PERSISTING, PassEvent.SPOILED): PassState.OPEN,
    (PassState.CLOSING, PassEvent.QUIET): PassState.ENDING,
    (PassState.CLOSING, PassEvent.SPOILED): PassState.CLOSING,
    (PassState.ENDING, PassEvent.DURABLE): PassState.SEALED,
    (PassState.ENDING, PassEvent.SPOILED): PassState.CLOSING,
}
JOINABLE: Final = frozenset({PassState.FOUNDING, PassState.OPEN, PassState.PERSISTING})
WAITS_FOR_PLANS: Final = frozenset({PassState.PERSISTING, PassState.ENDING})


def after(state: PassState, event: PassEvent) -> PassState:
    """The state that an event leads to; SpoolError for a pair that the table does not have."""
    try:
        return TABLE[state, event]
    except KeyError:
        raise SpoolError("pass-event", f"a pass that is {state} knows no event {event}") from None
