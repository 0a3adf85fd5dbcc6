"""The command behind scripts/reliability."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import click
import orjson

from tests.reliability.book import BOOK, Run, load, record
from tests.reliability.measures import MEASURES
from tests.reliability.render import page


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
    BOOK.with_suffix(".md").write_text(page(load(), MEASURES), encoding="utf-8")


@main.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice([measure.name for measure in MEASURES]))
@click.option("--count", type=click.IntRange(1), help="How often; the full count if not given.")
@click.option("--seed", default=1, help="Another seed, other accidents.")
@click.option(
    "--work", type=click.Path(path_type=Path), help="Folder to work in; kept. A temporary one if not given."
)
@click.option(
    "--record", "keep", is_flag=True, help="Put the result into docs/reliability.json and render the page."
)
def run(names: tuple[str, ...], count: int | None, seed: int, work: Path | None, keep: bool) -> None:
    """Runs measures. Each result is a line of JSON; exit code 1 when a promise was broken."""
    broken = False
    for name in names:
        measure = next(one for one in MEASURES if one.name == name)
        folder = work / name if work else Path(tempfile.mkdtemp(prefix=f"penstock-{name}-"))
        folder.mkdir(parents=True, exist_ok=True)
        this = Run(folder, count or measure.full, seed)
        try:
            measure.do(this)
        finally:
            if not work:
                shutil.rmtree(folder, ignore_errors=True)
        told = this.describe(name)
        click.echo(orjson.dumps(told).decode())
        broken = broken or bool(this.failures)
        if keep:
            record(told)
            BOOK.with_suffix(".md").write_text(page(load(), MEASURES), encoding="utf-8")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
