"""OUT/.penstock/tallies: what a run counted survives it, and never counts anything twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.batch import tallies as module
from engine.batch.journal import CHECKPOINT, Journal, tag_of
from engine.batch.tallies import Tallies
from engine.pseudonymize.receipt import Tally

KEY = b"k" * 32


def tag(number: int) -> bytes:
    return tag_of(KEY, str(number).encode(), 1, 1)


class Run:
    """Journal and tallies as a run has them."""

    def __init__(self, folder: Path, *, new: bool = False, rebooted: bool = False) -> None:
        self.tallies = Tallies(folder / "tallies", new=new)
        self.journal = Journal(folder / "journal", rebooted=rebooted, agree=self.tallies.agree)

    def job(self, *numbers: int, study: str | None = "2.25.1", note: bool = True, refused: str = "") -> None:
        counted = Tally(objects=len(numbers))
        if refused:
            counted.refuse(refused, None)
        tags = b"".join(tag(number) for number in numbers)
        self.tallies.add(self.journal.size + len(tags), {study: counted})
        if note:
            self.journal.add(tags)

    def sums(self) -> dict[str | None, Tally]:
        found: dict[str | None, Tally] = {}
        for portion in self.tallies.sums():
            assert found.keys().isdisjoint(portion)
            found.update(portion)
        return found

    def objects(self) -> int:
        return sum(one.objects for one in self.sums().values())

    def close(self) -> None:
        self.journal.close()
        self.tallies.close()


def test_a_run_that_is_taken_up_counts_what_was_counted(tmp_path: Path) -> None:
    first = Run(tmp_path, new=True)
    first.job(1, 2)
    first.tallies.end(first.journal.size)
    first.close()
    second = Run(tmp_path)
    second.job(3)
    assert second.tallies.exact
    assert second.objects() == 3 and len(second.journal.done) == 2


def test_a_line_without_its_tags_is_dropped(tmp_path: Path) -> None:
    first = Run(tmp_path, new=True)
    first.job(1, 2)
    first.job(3, note=False)  # it died between the two
    first.close()
    second = Run(tmp_path)
    assert (second.objects(), second.tallies.exact) == (2, False)
    second.job(3)
    assert second.objects() == 3


def test_tags_without_their_line_are_dropped(tmp_path: Path) -> None:
    first = Run(tmp_path, new=True)
    first.job(1)
    first.job(2)
    first.close()
    with (tmp_path / "tallies").open("r+b") as file:
        file.truncate(os.path.getsize(tmp_path / "tallies") - 3)  # a torn line
    second = Run(tmp_path)
    assert (second.objects(), tag(1) in second.journal.done, tag(2) in second.journal.done) == (
        1,
        True,
        False,
    )


def test_after_a_power_cut_both_go_back_to_the_checkpoint(tmp_path: Path) -> None:
    first = Run(tmp_path, new=True)
    first.job(1)
    first.journal.checkpoint(first.journal.size)
    first.job(2)
    first.close()
    assert CHECKPOINT in (tmp_path / "journal").read_bytes()
    second = Run(tmp_path, rebooted=True)
    assert (second.objects(), len(second.journal.done), second.tallies.exact) == (1, 1, False)


def test_without_its_tallies_a_run_looks_at_everything_again(tmp_path: Path) -> None:
    first = Run(tmp_path, new=True)
    first.job(1)
    first.close()
    (tmp_path / "tallies").unlink()
    second = Run(tmp_path)
    assert (second.objects(), len(second.journal.done), second.tallies.exact) == (0, 0, False)


def test_a_run_that_died_once_is_never_exact_again(tmp_path: Path) -> None:
    first = Run(tmp_path, new=True)
    first.job(1)
    first.close()
    for _ in range(2):
        again = Run(tmp_path)
        assert not again.tallies.exact
        again.tallies.end(again.journal.size)
        again.close()


def test_a_run_that_died_before_it_counted_anything_is_not_exact(tmp_path: Path) -> None:
    first = Run(tmp_path, new=True)
    first.tallies.end(first.journal.size)
    first.close()
    Run(tmp_path).close()
    assert not Run(tmp_path).tallies.exact


def test_only_the_last_runs_refusals_count(tmp_path: Path) -> None:
    first = Run(tmp_path, new=True)
    first.job(1, refused="truncated")
    first.tallies.end(first.journal.size)
    first.close()
    second = Run(tmp_path)
    second.job(study=None, refused="truncated")
    sums = second.sums()
    assert not sums["2.25.1"].quarantined and sums[None].quarantined.total() == 1


def test_many_studies_are_summed_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 10)
    run = Run(tmp_path, new=True)
    for number in range(40):
        run.job(number, study=f"2.25.{number % 20}")
    portions = list(run.tallies.sums())
    assert len(portions) > 2 and max(map(len, portions)) < 20
    assert {uid: one.objects for uid, one in run.sums().items()} == {f"2.25.{n}": 2 for n in range(20)}


def test_a_disk_that_takes_no_line_makes_the_count_inexact(tmp_path: Path) -> None:
    run = Run(tmp_path, new=True)
    os.close(run.tallies._fd)
    run.tallies._fd = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space"):
        run.job(1)
    assert not run.tallies.exact
