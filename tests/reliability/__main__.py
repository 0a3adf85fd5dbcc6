"""The command behind scripts/reliability."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from tests.reliability import records, session
from tests.reliability.book import BOOK, Measure
from tests.reliability.measures import MEASURES
from tests.reliability.render import page

NAMES = [measure.name for measure in MEASURES]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def main() -> None:
    """Tries to break the promises of docs/custody.md."""


@main.command("list")
def show() -> None:
    """The measures, with their full counts."""
    for measure in MEASURES:
        click.echo(
            f"{measure.name:12} row {measure.row:3} {measure.full:>10,} {measure.unit}: {measure.what}"
        )


@main.command()
def render() -> None:
    """Writes docs/reliability.md from docs/reliability.json."""
    _render()


@main.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice([*NAMES, "all"]))
@click.option("--count", type=click.IntRange(1), help="How often; each measure's full count if not given.")
@click.option("--seed", default=1, help="Another seed, other accidents.")
@click.option(
    "--work", type=click.Path(path_type=Path), help="Folder to work in; kept. A temporary one if not given."
)
@click.option(
    "--record", "keep", is_flag=True, help="Put each result into docs/reliability.json and render the page."
)
def run(names: tuple[str, ...], count: int | None, seed: int, work: Path | None, keep: bool) -> None:
    """Runs measures one after another. Each result is a line of JSON, and recorded at once.

    The first Ctrl-C ends the measure that runs at its next step: it is compared and counted as far as it came. The second one
    throws it away. Exit code 1 when a promise was broken or a measure not done.
    """

    def told(result: dict[str, Any]) -> None:
        session.say(result)
        if keep:
            records.record(result)
            _render()

    wrong = session.Session(told).run(_measures(names), count, seed, work)
    for line in wrong:
        click.echo(line, err=True)
    sys.exit(1 if wrong else 0)


@main.command(hidden=True)
@click.argument("name", type=click.Choice(NAMES))
@click.argument("count", type=int)
@click.argument("seed", type=int)
@click.argument("work", type=click.Path(path_type=Path))
def one(name: str, count: int, seed: int, work: Path) -> None:
    """One measure, in this process."""
    (measure,) = _measures((name,))
    session.say(session.one(measure, count, seed, work).describe(name))


@main.command()
@click.argument("other", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def merge(other: Path) -> None:
    """Adds the runs that another checkout recorded on this machine, each once, and renders the page."""
    try:
        new = records.merge(other)
    except records.CannotMergeError as error:
        raise click.ClickException(str(error)) from None
    _render()
    click.echo(f"{new} runs are new")


@main.command()
@click.argument("name", type=click.Choice(NAMES))
@click.argument("seed", type=int)
@click.argument("asked", type=int)
@click.option("--found", required=True, help="What the run found.")
@click.option("--mended", required=True, help="What was done about it.")
def mend(name: str, seed: int, asked: int, found: str, mended: str) -> None:
    """Moves a recorded run that broke a promise to those whose cause is mended."""
    try:
        records.mend(name, seed, asked, found, mended)
    except KeyError:
        raise click.ClickException(
            f"no run of {name} with seed {seed} and count {asked} is recorded"
        ) from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    _render()


def _measures(names: tuple[str, ...]) -> list[Measure]:
    """Those named, in their order; "all" is every one, the longest last."""
    if "all" in names:
        return sorted(MEASURES, key=lambda measure: measure.name == "soak")
    return [measure for name in names for measure in MEASURES if measure.name == name]


def _render() -> None:
    BOOK.with_suffix(".md").write_text(page(records.load(), MEASURES), encoding="utf-8")


if __name__ == "__main__":
    main()
