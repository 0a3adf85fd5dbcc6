"""`python -m benchmarks.compare OLD [NEW]`: two revisions in turn, and what became slower beyond the noise.

Each revision is checked out into a work tree of its own and built there. Then both run the same subjects, round by round: the
old one, the new one, and the old one once more, whose ratio to itself is the noise of this machine in this hour. A subject is
called slower or faster when the median of new to old is off by more than three quarters of those, and by more than `BEYOND`.
"""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import orjson

from benchmarks.inputs import ROOT

Rounds = list[list[list[object]]]

BEYOND = 0.03
SUBJECTS = ("head", "hmac", "rewrite")
_RUN = """
import sys, tempfile
from pathlib import Path
import orjson
from benchmarks import head, hmac_batch, rewrite
name, objects = sys.argv[1], int(sys.argv[2])
run = {"head": head.run, "hmac": hmac_batch.run, "rewrite": rewrite.run}[name]
rewrite.PEERS = ()
with tempfile.TemporaryDirectory(dir=sys.argv[3]) as folder:
    rows = run(Path(folder), 1, objects).describe()["rows"]
print(orjson.dumps([[row["name"], row["unit"], row["median"]] for row in rows]).decode())
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of one subject: `ratios` of new speed to old, one a round, above 1 is faster; `itself`: of old to old."""

    name: str
    ratios: tuple[float, ...]
    itself: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def noise(self) -> float:
        """By how much three of four rounds of the same code differ at most, and not less than BEYOND."""
        off = sorted(abs(math.log(ratio)) for ratio in self.itself)
        return max(BEYOND, math.expm1(off[3 * (len(off) - 1) // 4]))

    @property
    def verdict(self) -> str:
        """`slower`, `faster`, or `same`, which is also what noise hides."""
        if self.median < 1 / (1 + self.noise):
            return "slower"
        return "faster" if self.median > 1 + self.noise else "same"


def changes(old: Rounds, new: Rounds, again: Rounds) -> list[Change]:
    """Paired rounds of [name, unit, value] rows; a row that only one of the revisions has is left out."""
    ratios, itself = _ratios(old, new), _ratios(old, again)
    return [Change(name, tuple(found), tuple(itself[name])) for name, found in ratios.items()]


def _ratios(old: Rounds, new: Rounds) -> dict[str, list[float]]:
    ratios: dict[str, list[float]] = {}
    for before, after in zip(old, new, strict=True):
        known = {str(name): float(str(value)) for name, _, value in before}
        for name, unit, value in after:
            if str(name) in known:
                ratio = float(str(value)) / known[str(name)]
                # What is a time is better when it is less.
                ratios.setdefault(str(name), []).append(1 / ratio if unit == "µs" else ratio)
    return ratios


@click.command()
@click.argument("old")
@click.argument("new", default="HEAD")
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(2))
@click.option("--objects", default=300, show_default=True, type=click.IntRange(10), help="Files a round.")
@click.option("--subject", "subjects", multiple=True, type=click.Choice(SUBJECTS), help="[default: all]")
def main(old: str, new: str, rounds: int, objects: int, subjects: tuple[str, ...]) -> None:
    """Says what is slower and what is faster in NEW than in OLD. Exit code 1: something is slower."""
    with tempfile.TemporaryDirectory(prefix="penstock-compare-") as folder:
        places: list[Path] = []
        try:
            for name, revision in (("old", old), ("new", new)):
                places.append(Path(folder) / name)
                _check_out(revision, places[-1])
            found = [
                change
                for subject in subjects or SUBJECTS
                for change in _measured(subject, places, rounds, objects, Path(folder))
            ]
        finally:
            for place in filter(Path.exists, places):
                subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", place], check=True)
    click.echo(f"| | {new} to {old} | noise | |\n| --- | --- | --- | --- |")
    for change in found:
        click.echo(f"| {change.name} | {change.median:.2f} × | ± {change.noise:.0%} | {change.verdict} |")
    sys.exit(any(change.verdict == "slower" for change in found))


def _check_out(revision: str, place: Path) -> None:
    click.echo(f"building {revision} …", err=True)
    told = subprocess.run(
        ["git", "-C", ROOT, "worktree", "add", "--detach", place, revision],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        raise click.UsageError(f"git knows no revision {revision!r}: {told.stderr.strip()}")
    build = [sys.executable, "setup.py", "-q", "build_ext", "--inplace", "-j2"]
    subprocess.run(build, cwd=place, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _measured(subject: str, places: list[Path], rounds: int, objects: int, work: Path) -> list[Change]:
    count = {"head": objects, "hmac": 200 * objects, "rewrite": objects}[subject]
    told: list[Rounds] = [[], [], []]
    old, new = places
    for number in range(rounds):
        click.echo(f"{subject}, round {number + 1} of {rounds}", err=True)
        for place, rows in zip((old, new, old), told, strict=True):
            run = [sys.executable, "-c", _RUN, subject, str(count), str(work)]
            said = subprocess.run(run, cwd=place, capture_output=True, text=True, check=False)
            if said.returncode:
                raise click.ClickException(f"{subject} fails in {place.name}:\n{said.stderr}")
            rows.append(orjson.loads(said.stdout.splitlines()[-1]))
    return changes(*told)


if __name__ == "__main__":
    main()
