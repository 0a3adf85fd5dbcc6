"""Which pass an object joins, and when a pass is over (promises 3 and 4)."""

from __future__ import annotations

import pytest

from engine.coordinator.custody import Pass
from engine.coordinator.decisions import Compare, Found, Persist, Plan, Survey
from engine.coordinator.pass_states import PassState
from engine.errors import SpoolError
from engine.spool.layout import object_id
from tests.support.custody import CAP, QUIET, A, B, C, World


@pytest.fixture
def world() -> World:
    return World()


def test_the_objects_of_a_study_share_a_pass_and_other_studies_have_their_own(world: World) -> None:
    one, two, other = world.send(A, "s1", "1"), world.send(B, "s1", "2"), world.send(A, "s2", "3")
    assert world.where[one] == world.where[two] != world.where[other]
    assert world.planned == [one, two, other]


def test_an_object_that_is_told_twice_is_surveyed_once(world: World) -> None:
    world.hold = (Survey,)
    one = world.send(A, "s", "1")
    world.do(world.custody.arrived([one, one], 0.0))
    assert len(world.held) == 1


def test_objects_wait_for_their_pass_to_be_durable(world: World) -> None:
    world.hold = (Found,)
    one, two = world.send(A, "s", "1"), world.send(A, "s", "2")
    assert world.where == {} and not world.custody.idle
    world.release()
    assert list(world.where) == [one, two] and world.custody.idle


def test_a_quiet_pass_is_sealed_and_a_late_object_opens_a_new_one(world: World) -> None:
    one = world.send(A, "s", "1")
    world.wait(QUIET - 1)
    assert world.sealed == []
    world.wait(1)
    assert world.sealed == [world.where[one]]
    late = world.send(B, "s", "2")
    assert world.where[late] != world.where[one]
    assert world.origins == ["new", "late"]


def test_each_object_begins_the_quiet_time_anew(world: World) -> None:
    for sop in range(5):
        world.send(A, "s", str(sop))
        world.wait(QUIET - 1)
    assert world.sealed == []


def test_an_open_association_holds_every_pass_that_it_fed(world: World) -> None:
    world.associations(opened=[A])
    world.send(A, "s1", "1")
    world.send(A, "s2", "2")
    other = world.send(B, "s3", "3")
    world.wait(QUIET * 3)
    assert world.sealed == [world.where[other]]
    world.associations(opened=[])
    world.wait(0.0)
    assert len(world.sealed) == 3


def test_a_pass_with_an_unplanned_object_is_not_sealed(world: World) -> None:
    world.hold = (Plan,)
    world.send(A, "s", "1")
    world.wait(QUIET * 3)
    assert world.sealed == []
    world.release()
    world.wait(0.0)
    assert len(world.sealed) == 1


def test_an_object_that_came_in_time_but_is_not_surveyed_yet_keeps_passes_open(world: World) -> None:
    first = world.send(A, "s", "1")
    world.wait(QUIET - 1)
    world.hold = (Survey,)
    second = world.send(B, "s", "2")
    world.wait(QUIET * 2)
    assert world.sealed == []
    world.release()
    assert world.where[second] == world.where[first]


def test_an_object_that_came_after_the_quiet_time_does_not_keep_a_pass_open(world: World) -> None:
    world.send(A, "s", "1")
    world.now += QUIET + 1
    world.hold = (Survey,)
    world.send(B, "s", "2")
    world.wait(0.0)
    assert len(world.sealed) == 1


def test_nothing_is_sealed_while_a_scan_could_not_take_all(world: World) -> None:
    world.send(A, "s", "1")
    world.wait(QUIET * 2, complete=False)
    assert world.sealed == []


def test_an_object_that_joins_while_plans_are_made_durable_keeps_the_pass_open(world: World) -> None:
    one = world.send(A, "s", "1")
    world.hold = (Persist,)
    world.wait(QUIET)
    two = world.send(A, "s", "2")
    assert world.where[two] == world.where[one]
    world.release()
    assert world.sealed == []
    world.wait(QUIET)
    assert world.sealed == [world.where[one]]


def test_a_damaged_plan_is_made_again_before_the_seal(world: World) -> None:
    one = world.send(A, "s", "1")
    world.hold = (Persist,)
    world.wait(QUIET)
    world.hold = (Plan,)
    world.held.clear()
    world.do(world.custody.persisted(world.where[one], {one: 1}))
    assert world.held == [Plan(one, world.where[one], 1)]
    world.wait(QUIET)
    assert world.sealed == []
    world.release()
    world.wait(0.0)
    assert world.sealed == [world.where[one]]


def test_a_pass_over_its_cap_is_sealed_though_an_association_holds_it(world: World) -> None:
    world.associations(opened=[A])
    one = world.send(A, "s", "1")
    world.wait(CAP)
    assert world.sealed == [world.where[one]]
    two = world.send(A, "s", "2")
    assert world.where[two] != world.where[one]


def test_a_pass_over_its_cap_takes_nothing_more_while_it_waits_for_plans(world: World) -> None:
    world.hold = (Plan,)
    one = world.send(A, "s", "1")
    world.wait(CAP)
    two = world.send(A, "s", "2")
    assert world.sealed == [] and world.where[two] != world.where[one]
    world.release()
    world.wait(0.0)
    assert world.sealed == [world.where[one]]


def test_a_second_sending_from_a_later_association_is_a_second_copy_at_once(world: World) -> None:
    world.associations(opened=[A])
    first = [world.send(A, "s", sop) for sop in "123"]
    world.associations(opened=[B])
    second = [world.send(B, "s", sop) for sop in "123"]
    assert len({world.where[one] for one in first}) == 1
    assert len({world.where[one] for one in second}) == 1
    assert world.where[first[0]] != world.where[second[0]]
    assert world.origins == ["new", "second-sending"]


def test_after_a_second_sending_its_association_stays_with_its_own_pass(world: World) -> None:
    world.send(A, "s", "1")
    again = world.send(B, "s", "1")
    new = world.send(B, "s", "2")
    third = world.send(C, "s", "3")
    assert world.where[new] == world.where[again] == world.where[third]


def test_the_repeat_of_an_aborted_association_joins_the_open_pass(world: World) -> None:
    first = [world.send(A, "s", sop) for sop in "12"]
    world.associations(aborted=[A])
    repeat = [world.send(B, "s", sop) for sop in "1234"]
    assert len({world.where[one] for one in first + repeat}) == 1


def test_a_repeat_while_the_first_association_is_still_open_joins_too(world: World) -> None:
    world.associations(opened=[A, B])
    first, repeat = world.send(A, "s", "1"), world.send(B, "s", "1")
    assert world.where[first] == world.where[repeat]


def test_other_bytes_after_an_abort_are_a_second_sending(world: World) -> None:
    first = world.send(A, "s", "1", b"old")
    world.associations(aborted=[A])
    corrected = world.send(B, "s", "1", b"new")
    assert world.where[first] != world.where[corrected]
    assert world.refused == []


def test_the_same_bytes_twice_in_one_association_join(world: World) -> None:
    first, again = world.send(A, "s", "1", b"x"), world.send(A, "s", "1", b"x")
    assert world.where[first] == world.where[again]


def test_other_bytes_under_one_uid_in_one_association_are_refused(world: World) -> None:
    world.associations(opened=[A])
    first, other = world.send(A, "s", "1", b"x"), world.send(A, "s", "1", b"y")
    assert world.refused == [other] and list(world.where) == [first]
    assert world.custody.idle


def test_a_repeat_whose_first_is_delivered_joins_and_the_platform_compares(world: World) -> None:
    first = world.send(A, "s", "1")
    world.associations(aborted=[A])
    world.hold = (Compare,)
    repeat = world.send(B, "s", "1")
    world.do(world.custody.compared(repeat, world.where[first], None, world.now))
    assert world.where[repeat] == world.where[first]


def test_a_comparison_that_outlives_its_pass_opens_a_new_one(world: World) -> None:
    first = world.send(A, "s", "1")
    world.associations(aborted=[A])
    world.hold = (Compare,)
    repeat = world.send(B, "s", "1")
    world.wait(CAP)
    world.release()
    assert world.sealed == [world.where[first]]
    assert world.where[repeat] != world.where[first]


def test_objects_without_a_sop_instance_uid_are_never_doubles(world: World) -> None:
    one, two = world.send(A, "s", ""), world.send(B, "s", "")
    assert world.where[one] == world.where[two]


def test_an_object_that_is_back_after_a_crash_joins_its_own_pass(world: World) -> None:
    one = world.send(A, "s", "1")
    pass_id = world.where.pop(one)  # written down, but the rename was lost
    world.do(world.custody.arrived([one], world.now))
    assert world.where[one] == pass_id


def test_a_restored_pass_takes_the_rest_of_its_study_and_plans_what_lacks(world: World) -> None:
    old, pass_id = object_id(A, 77), "f" * 32
    world.objects[old] = ("s", "1", b"1")
    world.studies[pass_id] = "s"
    world.journal[pass_id] = [("1", old)]
    found = Pass(pass_id, "s", 0.0, 0.0, state=PassState.OPEN, fed={A: (1, 1)}, pending={old: 1})
    world.do(world.custody.restore(found, world.now))
    assert world.planned == [old]
    late = world.send(B, "s", "2")
    assert world.where[late] == pass_id
    repeat = world.send(C, "s", "1")
    assert world.where[repeat] != pass_id, "a released association's object again is a second sending"


def test_only_an_open_pass_is_restored(world: World) -> None:
    with pytest.raises(SpoolError):
        world.custody.restore(Pass("f" * 32, "s", 0.0, 0.0), 0.0)


def test_a_dropped_object_is_no_longer_on_its_way(world: World) -> None:
    world.hold = (Survey,)
    one = world.send(A, "s", "1")
    world.custody.dropped(one)
    assert world.custody.idle
    world.release()
    assert world.where == {}


def test_the_marks_of_aborted_associations_go_when_no_pass_knows_them(world: World) -> None:
    world.send(A, "s", "1")
    world.hold = (Survey,)
    world.send(B, "s", "2")
    world.associations(aborted=[A, B, C])
    assert world.custody.unknown_aborted() == {C}
    world.release()
    world.wait(QUIET)
    assert world.custody.unknown_aborted() == {A, B, C}


def test_a_sealed_pass_leaves_nothing_behind_in_memory(world: World) -> None:
    for number in range(50):
        world.send(A, f"s{number}", "1")
    world.wait(QUIET)
    custody = world.custody
    assert (custody.passes, custody._by_study, dict(custody._bound)) == ({}, {}, {})
    assert custody._members._held == {}
