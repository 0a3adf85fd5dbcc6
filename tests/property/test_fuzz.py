"""The fuzzer itself: it notices what it is for, a case can be made again, and a short run finds nothing."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.child import case
from tests.fuzz.targets import TARGETS
from tests.fuzz.watch import Limits, fuzz
from tests.support.rig import children


def test_crashes_hangs_exceptions_memory_and_a_byte_too_far_are_found() -> None:
    result = fuzz("broken", 1, range(12), Limits(seconds=1.5, rss_mb=250))
    assert [(find["case"], find["kind"], find.get("signal")) for find in result.finds] == [
        (3, "crashed", "SIGABRT"),
        (5, "hung", None),
        (7, "raised", None),
        (10, "crashed", "SIGSEGV"),
        (11, "memory", None),
    ]
    assert (result.cases, result.rss_mb > 250) == (12, True)


def test_an_interrupted_run_leaves_no_process_behind() -> None:
    def interrupt(number: int) -> None:
        raise KeyboardInterrupt

    before = set(children(os.getpid()))
    with pytest.raises(KeyboardInterrupt):
        fuzz("reader", 1, range(10**9), Limits(), told=interrupt)
    assert set(children(os.getpid())) == before


@pytest.mark.parametrize("target", TARGETS)
def test_a_case_is_the_same_bytes_whenever_it_is_made(target: str) -> None:
    seeds = TARGETS[target].seeds(())
    made = [case(target, 7, number, seeds)[0] for number in range(20)]
    assert made == [case(target, 7, number, TARGETS[target].seeds(()))[0] for number in range(20)]
    assert made != [case(target, 8, number, seeds)[0] for number in range(20)]


def test_one_case_can_be_run_and_saved(root: Path, tmp_path: Path) -> None:
    mutant = tmp_path / "mutant"
    command = [str(root / "scripts" / "fuzz"), "--target", "reader", "--seed", "7", "--only", "3"]
    save = ["--save", str(mutant)]
    done = subprocess.run([*command, *save], capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"kind": "nothing"})
    assert mutant.read_bytes() == case("reader", 7, 3, TARGETS["reader"].seeds(()))[0]
    done = subprocess.run([*command[:1], "--only", "3"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--only needs one --target" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)  # what a case may take is counted in processor time
@pytest.mark.parametrize("target", TARGETS)
def test_a_short_run_finds_nothing(root: Path, target: str) -> None:
    command = [
        str(root / "scripts" / "fuzz"),
        "--target",
        target,
        "--count",
        "4000",
        "--seed",
        "11",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(done.stdout)["results"]
    assert (result["cases"], result["finds"]) == (4000, [])
