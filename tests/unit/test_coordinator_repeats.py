"""A pass whose sender was cut off waits for the repeat; and there are only so many passes at a time."""

from __future__ import annotations

import pytest

from engine.coordinator.decisions import Persist, Survey
from tests.support.custody import CAP, QUIET, REPEAT, A, B, C, World


@pytest.fixture
def world() -> World:
    return World(repeat=REPEAT)


def test_the_pass_of_an_aborted_association_waits_for_its_repeat(world: World) -> None:
    first = world.send(A, "s", "1")
    world.associations(aborted=[A])
    world.wait(REPEAT - 1)
    assert world.sealed == []
    again = world.send(B, "s", "1")
    assert world.where[again] == world.where[first], "a repeat of an aborted association joins"
    world.wait(QUIET)
    assert world.sealed == [world.where[first]], "it was repeated: nothing more is waited for"


def test_a_repeat_that_never_comes_is_waited_for_only_so_long(world: World) -> None:
    world.send(A, "s", "1")
    world.associations(aborted=[A])
    world.wait(REPEAT)
    assert len(world.sealed) == 1


def test_a_repeat_that_is_aborted_too_is_waited_for_again(world: World) -> None:
    world.send(A, "s", "1")
    world.associations(aborted=[A])
    world.wait(QUIET)
    world.send(B, "s", "1")
    world.associations(aborted=[A, B])
    world.wait(REPEAT - 1)
    assert world.sealed == []
    world.wait(1)
    assert len(world.sealed) == 1


def test_an_association_beside_the_aborted_one_is_no_repeat_of_it(world: World) -> None:
    world.send(A, "s", "1")
    world.send(B, "s", "2")
    world.send(A, "s", "3")
    world.associations(aborted=[A])
    world.wait(QUIET)
    assert world.sealed == []


def test_an_association_that_came_and_was_lost_between_two_looks_was_not_released(world: World) -> None:
    world.send(A, "s", "1")
    world.marks = {B}, {A}  # on the disk; the core has not looked since
    world.send(B, "s", "1")
    assert world.origins == ["new"]


def test_what_an_aborted_association_left_joins_though_its_repeat_was_seen_first(world: World) -> None:
    world.hold = (Survey,)
    left = world.send(A, "s", "1")
    world.hold = ()
    repeat = world.send(B, "s", "1")
    world.associations(aborted=[A])
    world.release()
    assert world.where[left] == world.where[repeat]
    assert world.origins == ["new"]


def test_other_bytes_that_an_aborted_association_left_are_a_second_copy(world: World) -> None:
    world.hold = (Survey,)
    left = world.send(A, "s", "1", b"other")
    world.hold = ()
    repeat = world.send(B, "s", "1")
    world.associations(aborted=[A])
    world.release()
    assert world.where[left] != world.where[repeat]


def test_a_released_association_is_waited_for_as_before(world: World) -> None:
    world.send(A, "s", "1")
    world.wait(QUIET)
    assert len(world.sealed) == 1


def test_the_cap_ends_the_waiting_for_a_repeat() -> None:
    world = World(repeat=CAP * 10)
    world.send(A, "s", "1")
    world.associations(aborted=[A])
    world.wait(CAP)
    assert len(world.sealed) == 1


def test_a_study_beyond_the_bound_waits_until_a_pass_is_sealed() -> None:
    world = World(most_open=2)
    one, two = world.send(A, "s1", "1"), world.send(A, "s2", "1")
    waits = [world.send(B, "s3", "1"), world.send(B, "s3", "2")]
    joins = world.send(B, "s2", "2")
    assert set(world.where) == {one, two, joins}, "what has a pass goes on"
    assert world.custody.parked == 2 and world.custody.undecided == 0
    assert world.custody.idle, "a stop does not wait for them: they are safe where they are"
    world.wait(QUIET)
    world.wait(1)
    assert world.where[waits[0]] == world.where[waits[1]]
    assert world.custody.parked == 0


def test_what_waits_for_a_place_does_not_keep_the_places_taken() -> None:
    world = World(most_open=1)
    world.send(A, "s1", "1")
    for second in range(int(QUIET)):
        world.send(C, f"other {second}", "1")
        world.wait(1)
    assert len(world.sealed) == 1


def test_what_waits_joins_a_pass_that_was_opened_meanwhile() -> None:
    world = World(most_open=1)
    world.send(A, "s1", "1")
    many = [world.send(B, "s2", str(number)) for number in range(50)]
    world.hold = (Persist,)
    world.wait(QUIET)
    world.release()
    world.wait(1)
    assert len({world.where[one] for one in many}) == 1


def test_an_object_that_vanishes_while_it_waits_is_forgotten() -> None:
    world = World(most_open=1)
    world.send(A, "s1", "1")
    gone = world.send(B, "s2", "1")
    world.custody.dropped(gone)
    world.hold = (Survey,)
    assert world.custody.parked == 0 and gone not in world.custody.unresolved
