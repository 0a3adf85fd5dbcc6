"""The acceptor's state table against PS3.8 table 9-10."""

from __future__ import annotations

import itertools

import pytest

from engine.receiver.association import _DO
from engine.receiver.states import TABLE, Action, Event, State

OTHER_PDUS = [Event.ASSOCIATE_AC, Event.ASSOCIATE_RJ, Event.RELEASE_RP]
LOCAL = {Event.ANSWERED}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_event_has_an_action_in_every_state_that_it_can_meet(state: State, event: Event) -> None:
    if event in LOCAL and state in (State.STA2, State.STA6):
        assert (state, event) not in TABLE
    else:
        action, _ = TABLE[state, event]
        assert action in _DO


def test_actions_have_names_of_their_own() -> None:
    assert len(set(Action)) == len({action.value for action in Action}) == len(_DO)


@pytest.mark.parametrize(
    ("state", "event", "action", "after"),
    [
        (State.STA2, Event.ASSOCIATE_RQ, Action.AE_6, State.STA6),
        (State.STA2, Event.P_DATA, Action.AA_1, State.STA13),
        (State.STA2, Event.RELEASE_RQ, Action.AA_1, State.STA13),
        (State.STA2, Event.ABORT, Action.AA_2, State.STA13),
        (State.STA2, Event.INVALID_PDU, Action.AA_1, State.STA13),
        (State.STA2, Event.CLOSED, Action.AA_5, State.STA13),
        (State.STA2, Event.EXPIRED, Action.AA_2, State.STA13),
        (State.STA6, Event.P_DATA, Action.DT_2, State.STA6),
        (State.STA6, Event.RELEASE_RQ, Action.AR_2, State.STA8),
        (State.STA6, Event.ASSOCIATE_RQ, Action.AA_8, State.STA13),
        (State.STA6, Event.INVALID_PDU, Action.AA_8, State.STA13),
        (State.STA6, Event.ABORT, Action.AA_3, State.STA13),
        (State.STA6, Event.CLOSED, Action.AA_4, State.STA13),
        (State.STA6, Event.GIVE_UP, Action.AA_1, State.STA13),
        (State.STA8, Event.ANSWERED, Action.AR_4, State.STA13),
        (State.STA8, Event.P_DATA, Action.AA_8, State.STA13),
        (State.STA8, Event.RELEASE_RQ, Action.AA_8, State.STA13),
        (State.STA8, Event.ABORT, Action.AA_3, State.STA13),
        (State.STA8, Event.CLOSED, Action.AA_4, State.STA13),
        (State.STA13, Event.CLOSED, Action.AR_5, State.STA13),
        (State.STA13, Event.EXPIRED, Action.AA_2, State.STA13),
        (State.STA13, Event.P_DATA, Action.AA_6, State.STA13),
    ],
)
def test_the_table_is_the_standards(state: State, event: Event, action: Action, after: State) -> None:
    assert TABLE[state, event] == (action, after)


@pytest.mark.parametrize("event", OTHER_PDUS)
def test_pdus_that_only_a_requestor_gets_end_the_association(event: Event) -> None:
    assert TABLE[State.STA2, event] == (Action.AA_1, State.STA13)
    for state in (State.STA6, State.STA8):
        assert TABLE[state, event] == (Action.AA_8, State.STA13)


def test_nothing_leads_out_of_the_end() -> None:
    assert {after for (state, _), (_, after) in TABLE.items() if state is State.STA13} == {State.STA13}
