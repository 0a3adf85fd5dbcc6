"""docs/reliability.md out of the book of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.reliability.book import Measure
from tests.reliability.classes import CLASSES
from tests.reliability.others import ROWS

Told = Mapping[str, Any]

TOP = """# Reliability: what was tried, and what came of it

Each row is a promise of [custody](custody.md) with the test that tries to break it. A run is made again by the command beside
it: the seed decides what happens to whom, the processes' own timing differs. `scripts/reliability NAME --record` puts its
result into [reliability.json](reliability.json) and renders this page; continuous integration runs the same with the small
counts. "Runs" adds up the recorded ones; where the goal's full count was not reached, the count says so. The commit is the
one that was checked out, with a "+" where files differed from it.

    scripts/reliability all --record                        # every measure with its full count, one after another
    scripts/reliability kills power disk --record           # some of them; --count and --seed if not the full count and seed 1
    scripts/reliability merge OTHER/docs/reliability.json   # what was recorded in another checkout, on the same machine

Each measure is recorded when it is done. The first Ctrl-C ends the one that runs at its next step, compares, and records it as
far as it came; the second one throws it away.
"""


def page(book: Told, measures: Sequence[Measure]) -> str:
    """The whole page."""
    lines = [TOP, *_machine(book["machine"]), *_table(book["runs"], measures)]
    for measure in measures:
        lines += _section(measure, [run for run in book["runs"] if run["measure"] == measure.name])
    lines += _others()
    lines += _mended(book.get("mended", []))
    lines += _classes()
    return "\n".join(lines) + "\n"


def _machine(machine: Told) -> list[str]:
    if not machine:
        return []
    machines = f"{machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}, Python {machine['python']}"
    return [
        f"Measured with {machines}, on a machine that was building and testing other things at the same time.",
        "",
    ]


def _table(runs: Sequence[Told], measures: Sequence[Measure]) -> list[str]:
    lines = ["| # | measure | goal | runs | failures | |", "| --- | --- | --- | --- | --- | --- |"]
    for measure in measures:
        mine = [run for run in runs if run["measure"] == measure.name]
        done = sum(int(run["done"]) for run in mine)
        failed = sum(int(run["failed"]) for run in mine)
        verdict = (
            "not run"
            if not mine
            else "**missed**"
            if failed
            else "met"
            if done >= measure.full
            else "met so far"
        )
        lines.append(
            f"| {measure.row} | [{measure.what}](#{measure.name}) | {measure.goal} | {done:,} of {measure.full:,} {measure.unit} "
            f"| {failed if mine else ''} | {verdict} |"
        )
    return [*lines, ""]


def _section(measure: Measure, runs: Sequence[Told]) -> list[str]:
    lines = [f"## {measure.name}", "", measure.note.strip() or measure.what, ""]
    lines += [
        f"    scripts/reliability {measure.name} --count {measure.full:_} --seed 1".replace("_", ""),
        "",
    ]
    if not runs:
        return [*lines, "Not run yet.", ""]
    lines += [
        f"| seed | commit | {measure.unit} | seconds | failures | figures |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {run['seed']} | {run.get('commit') or '—'} | {run['done']:,} | {run['seconds']:,.0f} | {run['failed']} "
        f"| {_figures(run['figures'])} |"
        for run in runs
    ]
    for run in runs:
        lines += (
            ["", *(f"- seed {run['seed']}: {failure}" for failure in run["failures"])]
            if run["failures"]
            else []
        )
    return [*lines, ""]


def _figures(figures: Told) -> str:
    return " · ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in figures.items())


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _others() -> list[str]:
    """The rows that are shown by tests alone."""
    lines = [
        "## Rows that are tests",
        "",
        "Each is run as a whole by `scripts/test`.",
        "",
        "| # | measure | goal | tests |",
        "| --- | --- | --- | --- |",
    ]
    for row in ROWS:
        tests = "<br>".join(f"`{test}`" for test in row.tests)
        lines.append(
            f"| {row.number} | {row.what} | {row.goal} | {' '.join(filter(None, (tests, row.note)))} |"
        )
    return [*lines, ""]


def _mended(found: Sequence[Told]) -> list[str]:
    """Runs that broke a promise, kept with what was done about it."""
    if not found:
        return []
    lines = [
        "## What they found, and what was mended",
        "",
        "| run | commit | found | mended |",
        "| --- | --- | --- | --- |",
    ]
    for one in found:
        run = one["run"]
        name = (
            f"{run['measure']}, seed {run['seed']}, {run['done']:,} done, {run['failed']} failures"
            if run
            else ""
        )
        lines.append(f"| {name} | {run.get('commit') or '—'} | {one['found']} | {one['mended']} |")
    return [*lines, ""]


def _classes() -> list[str]:
    lines = [
        "## Failure classes",
        "",
        "Row 11: each is refused as the table of answers says, and other associations go on.",
        "",
    ]
    lines += ["| class | tests |", "| --- | --- |"]
    return lines + [
        f"| {what} | {'<br>'.join(f'`{test}`' for test in tests)} |" for what, tests in CLASSES.items()
    ]
