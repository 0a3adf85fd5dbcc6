"""The command behind scripts/fuzz."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from tests.fuzz.child import case, one
from tests.fuzz.targets import TARGETS
from tests.fuzz.watch import Limits, fuzz


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option(
    "--target", "targets", multiple=True, type=click.Choice(list(TARGETS)), help="All, if none is named."
)
@click.option("--count", default=20_000, type=click.IntRange(1), help="Cases of each target.")
@click.option("--seed", default=1, help="Another seed, other cases.")
@click.option("--first", default=0, type=click.IntRange(0), help="Number of the first case.")
@click.option(
    "--only", type=click.IntRange(0), help="Run this one case here, without a child, and tell what happens."
)
@click.option(
    "--save", type=click.Path(dir_okay=False, path_type=Path), help="With --only: write the mutant to a file."
)
@click.option(
    "--files",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Files or folders to mutate as well.",
)
@click.option("--seconds", default=1.0, help="Processor time that a case may take.")
@click.option("--rss", default=512, help="MB that a process may hold.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def main(
    targets: tuple[str, ...],
    count: int,
    seed: int,
    first: int,
    only: int | None,
    save: Path | None,
    files: tuple[Path, ...],
    seconds: float,
    rss: int,
    as_json: bool,
) -> None:
    """Mutates files, streams and connections and looks for crashes, cases that do not end, memory and unforeseen exceptions.

    Exit code 1 when anything was found.
    """
    if only is not None:
        if len(targets) != 1:
            raise click.UsageError("--only needs one --target")
        data, source = case(targets[0], seed, only, TARGETS[targets[0]].seeds(files))
        if save:
            save.write_bytes(data)
        found = one(TARGETS[targets[0]].prepare(), data, source)
        click.echo(json.dumps(found or {"kind": "nothing"}))
        sys.exit(1 if found else 0)
    results = []
    for name in targets or tuple(TARGETS):
        result = fuzz(name, seed, range(first, first + count), Limits(seconds, rss), files)
        results.append(result)
        if not as_json:
            rate = result.cases / max(result.seconds, 0.001)
            click.echo(
                f"{name}: {result.cases} cases, {rate:,.0f}/s, {result.rss_mb} MB, {len(result.finds)} found"
            )
            for find in result.finds:
                click.echo("  " + json.dumps(find))
    if as_json:
        told = [
            {
                "target": r.target,
                "seed": r.seed,
                "cases": r.cases,
                "seconds": r.seconds,
                "rss_mb": r.rss_mb,
                "finds": r.finds,
            }
            for r in results
        ]
        click.echo(json.dumps({"results": told}))
    sys.exit(1 if any(result.finds for result in results) else 0)


if __name__ == "__main__":
    main()
