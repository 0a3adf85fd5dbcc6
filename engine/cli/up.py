"""`penstock up`: the gateway."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("up")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="Its configuration.",
)
def command(config_file: Path) -> int:
    """Run the gateway until SIGTERM or SIGINT. It then finishes what it has received, in order.

    On a terminal it says in a few lines what it does; otherwise its log is JSON lines on standard error.
    SIGHUP reads the configuration again. A second SIGTERM ends it at once: nothing is lost, the next start
    takes up from there.
    """
    from engine.supervisor.main import run

    return run(config_file)
