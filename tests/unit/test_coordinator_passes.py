"""The states of a pass: each state × each event."""

from __future__ import annotations

import itertools

import pytest

from engine.coordinator.pass_states import JOINABLE, TABLE, PassEvent, PassState, after
from engine.errors import SpoolError


@pytest.mark.parametrize(("state", "event"), list(itertools.product(PassState, PassEvent)))
def test_each_event_of_each_state_is_in_the_table_or_refused(state: PassState, event: PassEvent) -> None:
    if (state, event) in TABLE:
        assert after(state, event) is TABLE[state, event]
    else:
        with pytest.raises(SpoolError, match=f"is {state} knows no event {event}"):
            after(state, event)


def test_a_pass_takes_objects_exactly_where_it_can_be_joined() -> None:
    assert {state for state, event in TABLE if event is PassEvent.JOIN} == JOINABLE


def test_only_durable_plans_lead_to_the_seal_and_nothing_leads_back() -> None:
    assert {event for (_, event), end in TABLE.items() if end is PassState.SEALED} == {PassEvent.DURABLE}
    assert not [state for state, _ in TABLE if state is PassState.SEALED]


def test_a_pass_over_its_cap_never_takes_objects_again() -> None:
    reachable = {PassState.CLOSING}
    while more := {end for (state, _), end in TABLE.items() if state in reachable} - reachable:
        reachable |= more
    assert reachable == {PassState.CLOSING, PassState.ENDING, PassState.SEALED}
