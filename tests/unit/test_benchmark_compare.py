"""Two revisions compared: what is called slower is slower by more than the old code differs from itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.compare import Change, changes

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("ratios", "itself", "verdict"),
    [
        ((0.9, 0.91, 0.92), (1.0, 1.01, 0.99), "slower"),
        ((1.1, 1.12, 1.08), (1.0, 1.01, 0.99), "faster"),
        ((0.9, 0.91, 0.92), (1.0, 1.2, 0.8), "same"),  # the machine is as unsteady as that
        ((0.98, 0.98, 0.98), (1.0, 1.0, 1.0), "same"),  # nothing that anybody would notice
        ((0.5, 1.0, 1.5), (1.0, 1.0, 1.0), "same"),
    ],
)
def test_only_what_is_beyond_the_noise_is_called_so(
    ratios: tuple[float, ...], itself: tuple[float, ...], verdict: str
) -> None:
    assert Change("a row", ratios, itself).verdict == verdict


def test_rates_and_times_both_say_how_much_faster_the_new_code_is() -> None:
    old, new = (
        [["rate", "files/s", 100.0], ["time", "µs", 10.0]],
        [["rate", "files/s", 200.0], ["time", "µs", 5.0]],
    )
    found = changes([old], [[*new, ["only new", "µs", 1.0]]], [old])
    assert [(change.name, change.ratios, change.itself) for change in found] == [
        ("rate", (2.0,), (1.0,)),
        ("time", (2.0,), (1.0,)),
    ]


def test_a_revision_that_is_none_is_told() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.compare", "no-such-revision"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2
    assert "git knows no revision 'no-such-revision'" in told.stderr
