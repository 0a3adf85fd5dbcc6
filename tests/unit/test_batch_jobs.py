"""How the stream of files becomes jobs, and how checkpoints and totals are made."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from engine.batch.discovery import Found, Unfit
from engine.batch.durable import Checkpoints, sync_filesystem
from engine.batch.jobs import COUNT_AT_ONCE, JOB_BYTES, JOB_FILES, JOB_NAME_BYTES, count_ahead, jobs
from engine.batch.journal import Journal
from engine.batch.report import Progress, Report
from engine.batch.worker import Job, Tally
from engine.errors import SpoolError

SOCKET = Unfit(b"socket", "special-file", "a socket", lost=False)


def files(count: int, size: int = 1, letters: int = 8) -> list[Found]:
    return [Found(b"%0*d" % (letters, number), size) for number in range(count)]


def cut(found: list[Found | Unfit], workers: int = 2) -> tuple[list[Job], list[Unfit]]:
    unfit: list[Unfit] = []
    return list(jobs(found, workers, unfit.append)), unfit


def test_every_file_is_in_one_job_in_order() -> None:
    found = files(1000)
    made, _ = cut([*found])
    assert [name for job in made for name in job.names] == [item.name for item in found]


def test_jobs_grow_from_one_file_to_the_limit() -> None:
    made, _ = cut([*files(5000)])
    sizes = [len(job.names) for job in made]
    assert sizes[:8] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert max(sizes) == JOB_FILES


def test_a_few_files_are_spread_over_all_workers() -> None:
    made, _ = cut([*files(8)], workers=8)
    assert len(made) == 8


def test_large_files_are_jobs_of_their_own() -> None:
    made, _ = cut([*files(400), *[Found(b"large%d" % n, JOB_BYTES) for n in range(3)]])
    assert [job.names for job in made[-2:]] == [(b"large1",), (b"large2",)]


def test_names_of_a_job_fit_into_a_pipe() -> None:
    made, _ = cut([*files(2000, letters=4000)])
    assert max(sum(len(name) for name in job.names) for job in made) < JOB_NAME_BYTES + 4000


def test_what_is_not_for_a_worker_goes_elsewhere() -> None:
    made, unfit = cut([*files(1), SOCKET])
    assert (len(made), unfit) == (1, [SOCKET])


def test_nothing_makes_no_job() -> None:
    assert cut([]) == ([], [])


def test_counting_ahead_goes_in_steps_and_gives_the_totals_at_the_end() -> None:
    progress = Progress()
    counting = count_ahead([*files(2 * COUNT_AT_ONCE + 1, size=3), SOCKET], progress)
    assert len(list(zip(range(2), counting, strict=False))) == 2
    before = progress.total_files
    assert list(counting) == []
    assert before is None
    assert (progress.total_files, progress.total_bytes) == (
        2 * COUNT_AT_ONCE + 1,
        3 * (2 * COUNT_AT_ONCE + 1),
    )


@pytest.fixture
def folder(tmp_path: Path) -> int:
    return os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)


def test_a_sync_of_what_is_no_file_system_is_an_error() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        sync_filesystem(-1)


def test_a_checkpoint_covers_what_was_done_before_the_sync_and_not_after(tmp_path: Path, folder: int) -> None:
    journal = Journal(tmp_path / "journal", rebooted=False)
    checkpoints = Checkpoints(folder, journal, every=0.0)
    journal.add(b"a" * 16)
    checkpoints.poll()  # begins to sync
    journal.add(b"b" * 16)
    until = time.monotonic() + 30
    while journal.size == 32 and time.monotonic() < until:
        checkpoints.poll()
    checkpoints.close()
    after = Journal(tmp_path / "journal", rebooted=True)
    assert b"a" * 16 in after.done
    assert b"b" * 16 not in after.done


def test_the_last_checkpoint_covers_everything(tmp_path: Path, folder: int) -> None:
    journal = Journal(tmp_path / "journal", rebooted=False)
    journal.add(b"a" * 16)
    Checkpoints(folder, journal).last()
    assert b"a" * 16 in Journal(tmp_path / "journal", rebooted=True).done


def test_no_checkpoint_is_set_before_its_time(tmp_path: Path, folder: int) -> None:
    journal = Journal(tmp_path / "journal", rebooted=False)
    journal.add(b"a" * 16)
    checkpoints = Checkpoints(folder, journal, every=1000.0)
    checkpoints.poll()
    checkpoints.poll()
    checkpoints.close()
    assert journal.size == 16


def report(**fields: object) -> Report:
    return Report(profile="default", profile_digest="d", key_id="k", workers=2, **fields)  # type: ignore[arg-type]


def test_a_report_adds_up() -> None:
    told = report(seconds=2.0)
    told.add(Tally(written=3, present=1, bytes_read=4_000_000, bytes_written=9, studies={1, 2}))
    told.add(Tally(written=1, already_done=2, studies={2, 3}))
    told.refuse("empty", retryable=False)
    document = told.document()
    assert document["files"] == 8
    assert (document["written"], document["duplicates"], document["already_done"]) == (4, 1, 2)
    assert (document["studies"], document["refused"], document["refused_by_code"]) == (3, 1, {"empty": 1})
    assert (document["objects_per_second"], document["megabytes_per_second"]) == (2.0, 2.0)
    assert (told.finished, told.exit_code) == (True, 1)


def test_where_a_run_is_taken_up_an_output_that_is_there_was_done_before() -> None:
    told = report(resumed=True)
    told.add(Tally(present=2))
    assert (told.duplicates, told.already_done) == (0, 2)


def test_what_may_succeed_another_time_keeps_the_run_open() -> None:
    told = report()
    assert (told.finished, told.exit_code) == (True, 0)
    told.refuse("unreadable", retryable=True)
    assert (told.finished, told.exit_code) == (False, 1)


def test_the_first_reason_to_stop_counts() -> None:
    told = report()
    told.stop(SpoolError("disk-full", "the disk is full", hint="free some"))
    told.stop(SpoolError("interrupted", "interrupted", hint="go on"))
    assert (told.stopped, told.advice) == ("disk-full", "the disk is full: free some")
    assert (told.finished, told.exit_code) == (False, 1)
