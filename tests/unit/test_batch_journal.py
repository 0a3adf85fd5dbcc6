"""The journal: what it remembers through a crash, and what it forgets after a power cut."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.batch.journal import TAG_BYTES, Done, Journal, tag_of

KEY = bytes(range(32))


def tags(*numbers: int) -> bytes:
    return b"".join(tag_of(KEY, b"file %d" % number, number, 0) for number in numbers)


def opened(path: Path, *, rebooted: bool = False) -> Journal:
    return Journal(path, rebooted=rebooted)


def test_a_tag_depends_on_name_size_time_and_key() -> None:
    one = tag_of(KEY, b"a", 1, 2)
    assert len(one) == TAG_BYTES
    others = [
        tag_of(KEY, b"b", 1, 2),
        tag_of(KEY, b"a", 2, 2),
        tag_of(KEY, b"a", 1, 3),
        tag_of(b"k" * 32, b"a", 1, 2),
    ]
    assert len({one, *others}) == 5


def test_done_finds_each_tag_and_no_other() -> None:
    done = Done(tags(*range(0, 2000, 2)))
    assert len(done) == 1000
    assert [number for number in range(2000) if tags(number) in done] == list(range(0, 2000, 2))


def test_done_without_tags_has_none() -> None:
    assert tags(1) not in Done(b"")


def test_half_a_tag_is_no_tag() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Done(tags(1) + b"x")


def test_what_was_added_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    first = opened(tmp_path / "j")
    first.add(tags(1, 2))
    first.add(tags(3))
    # Not closed and not synced: as a killed process leaves it.
    second = opened(tmp_path / "j")
    assert all(tags(number) in second.done for number in (1, 2, 3))
    assert len(second.done) == 3


def test_what_was_there_counts_as_done_but_what_is_added_now_does_not(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j")
    journal.add(tags(1))
    assert tags(1) not in journal.done


def test_a_torn_tag_is_cut_off_and_the_next_ones_stand_straight(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(tags(1) + tags(2)[:7])
    second = opened(path)
    second.add(tags(3))
    third = opened(path)
    assert len(third.done) == 2
    assert tags(1) in third.done and tags(3) in third.done


def test_after_a_power_cut_only_what_a_checkpoint_covers_is_done(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j")
    journal.add(tags(1, 2))
    position = journal.size
    journal.add(tags(3))  # while the disk was syncing
    journal.checkpoint(position)
    journal.add(tags(4))
    again = opened(tmp_path / "j", rebooted=True)
    assert len(again.done) == 2
    assert tags(1) in again.done and tags(2) in again.done


def test_without_a_power_cut_all_is_done_and_no_checkpoint_is_a_tag(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j")
    journal.add(tags(1))
    journal.checkpoint(journal.size)
    journal.add(tags(2))
    assert len(opened(tmp_path / "j").done) == 2


def test_zeros_that_a_power_cut_left_at_the_end_take_nothing_away(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j")
    journal.add(tags(1))
    journal.checkpoint(journal.size)
    with (tmp_path / "j").open("ab") as file:
        file.write(bytes(100))
    assert tags(1) in opened(tmp_path / "j", rebooted=True).done


def test_a_power_cut_before_the_first_checkpoint_leaves_nothing_done(tmp_path: Path) -> None:
    opened(tmp_path / "j").add(tags(1, 2))
    again = opened(tmp_path / "j", rebooted=True)
    assert (len(again.done), again.size, (tmp_path / "j").stat().st_size) == (0, 0, 0)


def test_the_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        opened(tmp_path / "j")
    finally:
        os.umask(old)
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600
