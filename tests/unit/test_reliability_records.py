"""The book of runs: merged from another checkout, moved to what was mended, with the commit of each run; and runs one after
another, which Ctrl-C ends without losing what was done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.reliability import book
from tests.reliability.book import ROOT, Measure, Run
from tests.reliability.measures import MEASURES
from tests.reliability.records import CannotMergeError, load, machine, mend, merge, record
from tests.reliability.render import page
from tests.reliability.session import Session
from tests.support.rig import children

PATIENCE = 60.0
# Not before it is interrupted does it end.
ENDLESS = [sys.executable, "-m", "tests.reliability", "run", "--count", str(10**9)]


def told(seed: int, *, failures: int = 0, ended: str = "2026-11-22T08:00:00Z", **more: Any) -> dict[str, Any]:
    run = Run(Path(), 10, seed, done=10, failures=["broken"] * failures)
    return run.describe("kills") | {"ended": ended} | more


def books(tmp_path: Path, mine: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> tuple[Path, Path]:
    paths = tmp_path / "mine.json", tmp_path / "theirs.json"
    for path, runs in zip(paths, (mine, theirs), strict=True):
        for run in runs:
            record(run, path)
    return paths


def test_the_runs_of_another_book_are_added_once_each(tmp_path: Path) -> None:
    both = told(1)
    mine, theirs = books(tmp_path, [both], [both, told(2)])
    assert [merge(theirs, mine), merge(theirs, mine)] == [1, 0]
    assert [run["seed"] for run in load(mine)["runs"]] == [1, 2]


def test_of_two_runs_with_one_seed_and_count_the_later_one_stays(tmp_path: Path) -> None:
    early, late = told(1, failures=1), told(1, ended="2026-11-22T09:00:00Z")
    for first, second in ((early, late), (late, early)):
        mine, theirs = books(tmp_path, [first], [second])
        merge(theirs, mine)
        assert load(mine)["runs"] == [late]


def test_a_run_of_before_times_were_kept_is_older_than_one_of_the_same_day(tmp_path: Path) -> None:
    old = told(1)
    del old["ended"]
    mine, theirs = books(tmp_path, [old], [told(1) | {"ended": old["date"] + "T00:00:01Z"}])
    assert merge(theirs, mine) == 1


def test_what_was_mended_does_not_come_back_by_a_merge(tmp_path: Path) -> None:
    broken = told(1, failures=2)
    mine, theirs = books(tmp_path, [broken], [broken])
    mend("kills", 1, 10, "two studies were split", "they are no longer", mine)
    assert merge(theirs, mine) == 0
    assert load(mine)["runs"] == []
    shown = page(load(mine), MEASURES)
    assert "two studies were split | they are no longer |" in shown
    assert "0 of 1,000 kills |  | not run |" in shown


def test_only_a_run_that_failed_can_be_mended(tmp_path: Path) -> None:
    mine, _ = books(tmp_path, [told(1)], [])
    with pytest.raises(ValueError, match="no failures"):
        mend("kills", 1, 10, "", "", mine)
    with pytest.raises(KeyError):
        mend("kills", 2, 10, "", "", mine)
    assert len(load(mine)["runs"]) == 1


def test_a_book_of_another_machine_is_not_taken(tmp_path: Path) -> None:
    mine, theirs = books(tmp_path, [told(1)], [told(2)])
    foreign = load(theirs) | {"machine": machine() | {"cores": 96}}
    theirs.write_bytes(orjson.dumps(foreign))
    with pytest.raises(CannotMergeError, match="'cores': 96"):
        merge(theirs, mine)
    assert len(load(mine)["runs"]) == 1


def test_each_run_names_its_commit_and_those_of_before_have_none(tmp_path: Path) -> None:
    old = told(2)
    del old["commit"]
    mine, _ = books(tmp_path, [told(1, commit="0123456789+"), old], [])
    shown = page(load(mine), MEASURES)
    assert "| 1 | 0123456789+ | 10 |" in shown
    assert "| 2 | — | 10 |" in shown


def test_the_commit_has_a_mark_when_files_differ_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "ROOT", tmp_path)
    assert book.commit() == "", "no repository"
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        who = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)
    clean = book.commit()
    assert len(clean) == 10
    for name in book.WRITTEN_HERE:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("recorded")
    assert book.commit() == clean, "a recording does not change what the next one is made with"
    (tmp_path / "engine.py").write_text("changed")
    assert book.commit() == clean + "+"


# ---- one after another ------------------------------------------------------------------------------------------------------


def measure(name: str) -> Measure:
    return next(one for one in MEASURES if one.name == name)


def test_each_measure_is_told_as_soon_as_it_is_done(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []
    session = Session(lambda result: seen.append((result["measure"], result["done"])))
    assert session.run([measure("cuts"), measure("cuts")], 1, 3, None) == []
    assert seen == [("cuts", 1), ("cuts", 1)]


def test_a_measure_that_ends_without_a_result_is_named_and_the_next_one_runs() -> None:
    absent = Measure("absent", "0", "", "", "", 1, 0, measure("cuts").do)
    seen: list[str] = []
    wrong = Session(lambda result: seen.append(result["measure"])).run([absent, measure("cuts")], 1, 3, None)
    assert wrong == ["absent: ended without a result"]
    assert seen == ["cuts"]


def test_an_interrupt_ends_a_measure_at_its_next_step_and_counts_what_was_done(tmp_path: Path) -> None:
    command = [*ENDLESS, "cuts", "mutants", "--work", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        _wait_until(lambda: len(list((tmp_path / "cuts").glob("*/*"))) > 1)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)
    (line,) = output.splitlines()
    result = orjson.loads(line)
    assert 0 < result["done"] < result["asked"] == 10**9
    assert result["failed"] == 0
    assert errors.decode() == "mutants: not begun\n"
    assert process.returncode == 1


def test_a_second_interrupt_throws_the_measure_away(tmp_path: Path) -> None:
    done: list[dict[str, Any]] = []
    session = Session(done.append)
    work = tmp_path / "mutants"

    def end() -> None:
        _wait_until(work.exists)
        for asked in (1, 2):  # a signal that finds another one waiting is lost
            os.kill(os.getpid(), signal.SIGINT)
            _wait_until(lambda wanted=asked: session.asked >= wanted)

    ender = threading.Thread(target=end)
    ender.start()
    stuck = Measure("mutants", "7", "", "", "", 10**9, 0, measure("mutants").do)
    wrong = session.run([stuck], None, 1, tmp_path)
    ender.join()
    assert wrong == ["mutants: ended without a result"]
    assert done == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_measure_ends_when_the_one_who_waits_for_it_is_killed(tmp_path: Path) -> None:
    command = [*ENDLESS, "cuts", "--work", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        _wait_until(lambda: len(list((tmp_path / "cuts").glob("*/*"))) > 1)
        (measuring,) = children(process.pid)
        process.kill()
    _wait_until(lambda: not _runs(measuring))


def _runs(pid: int) -> bool:
    """Also False when it has ended and nobody has asked for its exit code yet."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return told.rpartition(")")[2].split()[0] != "Z"


def _wait_until(holds: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)
