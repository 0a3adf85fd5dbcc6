"""`penstock demo`: the whole way on this machine, in a few seconds."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from engine.cli.output import json_option, print_json, visible

FAILED = 1


@click.command("demo", epilog="Exit: 0 everything held, 1 something did not (it is named).")
@click.option(
    "--slices", default=40, show_default=True, type=click.IntRange(1, 2000), help="CT images in the study."
)
@json_option
def command(slices: int, as_json: bool) -> int:
    """Send a made-up CT study through a gateway to a platform, both on this machine, and look at what arrives.

    It needs no configuration and leaves nothing behind.
    """
    from rich.console import Console

    from engine.demo.process import PartError
    from engine.demo.render import show
    from engine.demo.show import play
    from engine.dicom.sample import Shape

    console = Console(quiet=as_json, highlight=False)

    def tell(step: str) -> None:
        console.print(f"[dim]·[/dim] {step}")

    with tempfile.TemporaryDirectory(prefix="penstock-demo-") as folder:
        try:
            with console.status("working"):
                story = play(Path(folder), Shape(slices=slices), tell)
        except PartError as failed:
            for line in failed.tail:
                click.echo(f"  {failed.part}: {visible(line)}", err=True)
            raise
    if as_json:
        print_json(story.describe())
    else:
        show(story, console)
    return 0 if story.good else FAILED
