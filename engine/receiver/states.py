"""The acceptor's part of the Upper Layer state machine, as a table (PS3.8 section 9.2, tables 9-6 to 9-10).

Sta1 (no connection) has no object here, and Sta3 (deciding about an association) is left in the step that
enters it, since the decision needs nobody else. Sta13 differs in one thing: everything but the end is
ignored (AA-6), also what the standard answers with another A-ABORT (AA-7), for such an answer serves only
peers that do not listen."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class State(Enum):
    STA2 = "awaiting A-ASSOCIATE-RQ"
    STA6 = "data transfer"
    STA8 = "awaiting our own answers before A-RELEASE-RP"
    STA13 = "awaiting the end of the connection"


class Event(Enum):
    ASSOCIATE_RQ = auto()
    ASSOCIATE_AC = auto()
    ASSOCIATE_RJ = auto()
    P_DATA = auto()
    RELEASE_RQ = auto()
    RELEASE_RP = auto()
    ABORT = auto()
    INVALID_PDU = auto()
    CLOSED = auto()
    EXPIRED = auto()  # ARTIM or another deadline
    ANSWERED = auto()  # the last C-STORE-RSP is out: our A-RELEASE response primitive
    GIVE_UP = auto()  # our A-ABORT request primitive


class Action(Enum):
    AE_6 = "decide about the association"
    DT_2 = "take the P-DATA"
    AR_2 = "finish what is being stored, then release"
    AR_4 = "send A-RELEASE-RP, start ARTIM"
    AR_5 = "the end"
    AA_1 = "send A-ABORT (service user), start ARTIM"
    AA_2 = "close the connection"
    AA_3 = "note the peer's abort, close the connection"
    AA_4 = "note the loss of the connection"
    AA_5 = "stop ARTIM, note the loss"
    AA_6 = "ignore"
    AA_8 = "send A-ABORT (service provider), start ARTIM"


PDU_EVENTS: Final = {
    1: Event.ASSOCIATE_RQ,
    2: Event.ASSOCIATE_AC,
    3: Event.ASSOCIATE_RJ,
    4: Event.P_DATA,
    5: Event.RELEASE_RQ,
    6: Event.RELEASE_RP,
    7: Event.ABORT,
}

_PDUS = tuple(PDU_EVENTS.values())

# AE_6 ends in Sta6 or, after a rejection, in Sta13; AR_2 in Sta8.
TABLE: Final[dict[tuple[State, Event], tuple[Action, State]]] = (
    {(State.STA2, event): (Action.AA_1, State.STA13) for event in _PDUS}
    | {
        (State.STA2, Event.ASSOCIATE_RQ): (Action.AE_6, State.STA6),
        (State.STA2, Event.ABORT): (Action.AA_2, State.STA13),
        (State.STA2, Event.INVALID_PDU): (Action.AA_1, State.STA13),
        (State.STA2, Event.CLOSED): (Action.AA_5, State.STA13),
        (State.STA2, Event.EXPIRED): (Action.AA_2, State.STA13),
        (State.STA2, Event.GIVE_UP): (Action.AA_2, State.STA13),
    }
    | {(State.STA6, event): (Action.AA_8, State.STA13) for event in _PDUS}
    | {
        (State.STA6, Event.P_DATA): (Action.DT_2, State.STA6),
        (State.STA6, Event.RELEASE_RQ): (Action.AR_2, State.STA8),
        (State.STA6, Event.ABORT): (Action.AA_3, State.STA13),
        (State.STA6, Event.INVALID_PDU): (Action.AA_8, State.STA13),
        (State.STA6, Event.CLOSED): (Action.AA_4, State.STA13),
        (State.STA6, Event.EXPIRED): (Action.AA_1, State.STA13),
        (State.STA6, Event.GIVE_UP): (Action.AA_1, State.STA13),
    }
    | {(State.STA8, event): (Action.AA_8, State.STA13) for event in _PDUS}
    | {
        (State.STA8, Event.ABORT): (Action.AA_3, State.STA13),
        (State.STA8, Event.INVALID_PDU): (Action.AA_8, State.STA13),
        (State.STA8, Event.CLOSED): (Action.AA_4, State.STA13),
        (State.STA8, Event.EXPIRED): (Action.AA_1, State.STA13),
        (State.STA8, Event.GIVE_UP): (Action.AA_1, State.STA13),
        (State.STA8, Event.ANSWERED): (Action.AR_4, State.STA13),
    }
    | {(State.STA13, event): (Action.AA_6, State.STA13) for event in Event}
    | {
        (State.STA13, Event.ABORT): (Action.AA_2, State.STA13),
        (State.STA13, Event.CLOSED): (Action.AR_5, State.STA13),
        (State.STA13, Event.EXPIRED): (Action.AA_2, State.STA13),
    }
)
