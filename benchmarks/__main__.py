"""`python -m benchmarks`: every benchmark, one after the other, then docs/benchmarks.json, .md and pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from benchmarks import (
    environment,
    gateway,
    head,
    hmac_batch,
    listing,
    memory,
    observing,
    receive,
    render,
    rewrite,
    scale,
    sizes,
    tuning,
    upload,
)
from benchmarks.result import Result

Run = Callable[[Path, int, int], Result]  # work folder, rounds, objects

BENCHMARKS: dict[str, tuple[Run, int]] = {
    "rewrite": (rewrite.run, 1_000),
    "sizes": (sizes.run, 1_000),
    "scale": (scale.run, 4_000),
    "head": (head.run, 2_000),
    "hmac": (hmac_batch.run, 500_000),
    "receive": (receive.run, 500),
    "upload": (upload.run, 1_000),
    "listing": (listing.run, 1),
    "gateway": (gateway.run, 1_000),
    "memory": (memory.run, 1),
    "observing": (observing.run, 1_000),
    "tune": (tuning.run, 300),
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(BENCHMARKS)))
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1), help="How often each is repeated."
)
@click.option("--quick", is_flag=True, help="A tenth of the objects, one round: does it run?")
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    help="Where the files lie meanwhile [default: a temporary folder].",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for benchmarks.json, .md and pictures [default: print].",
)
@click.option(
    "--anew",
    is_flag=True,
    help="Throw away what the output folder has from another machine or file system.",
)
def main(
    names: tuple[str, ...], rounds: int, quick: bool, work: Path | None, output: Path | None, anew: bool
) -> None:
    """Runs NAMES, or all. What the output folder has of the others stays, if it was measured in the same surroundings."""
    wanted = [name for name in BENCHMARKS if not names or name in names]
    with tempfile.TemporaryDirectory(prefix="penstock-bench-", dir=work) as folder:
        place = Path(folder)
        surroundings = environment.describe(place)
        others = [] if output is None or anew else _others(output, surroundings, quick)
        results = []
        for name in wanted:
            click.echo(f"{name} …", err=True)
            run, objects = BENCHMARKS[name]
            results.append(
                run(place, 1 if quick else rounds, max(1, objects // 10) if quick else objects).describe()
            )
        told: dict[str, Any] = {
            "environment": surroundings,
            "quick": quick,
            "benchmarks": _in_order([*others, *results]),
        }
    if output is None:
        click.echo(render.page(told))
        return
    _write(output, told)
    click.echo(f"written: {output}/benchmarks.json, .md and pictures", err=True)


def _others(output: Path, surroundings: dict[str, object], quick: bool) -> list[dict[str, Any]]:
    """What an earlier run left in `output`. UsageError if it was made elsewhere: figures of two machines are not to be compared."""
    path = output / "benchmarks.json"
    if not path.exists():
        return []
    earlier = orjson.loads(path.read_bytes())
    differs = sorted(
        name
        for name in {*surroundings, *earlier["environment"]}
        if earlier["environment"].get(name) != surroundings.get(name)
    )
    if earlier["quick"] != quick:
        differs.append("--quick")
    if differs:
        raise click.UsageError(
            f"{path} was measured in other surroundings ({', '.join(differs)}). Name another --output, or throw its results away "
            "with --anew."
        )
    found: list[dict[str, Any]] = earlier["benchmarks"]
    return found


def _in_order(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order of the table; of two results of one benchmark the later."""
    found = {entry["name"]: entry for entry in results}
    return [found[name] for name in BENCHMARKS if name in found]


def _write(output: Path, told: dict[str, object]) -> None:
    output.mkdir(parents=True, exist_ok=True)
    # Through JSON and back, so that the page shows what the file says.
    document = orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    (output / "benchmarks.json").write_bytes(document)
    read = orjson.loads(document)
    (output / "benchmarks.md").write_text(render.page(read), encoding="utf-8")
    for name, drawn in render.pictures(read).items():
        (output / name).write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
