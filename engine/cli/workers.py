"""`penstock workers`: how many processes rewrite, and more or fewer of them while the gateway runs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import config_option
from engine.cli.output import json_option, print_json

if TYPE_CHECKING:
    from engine.spool.layout import Spool

PATIENCE = 30.0
LOOK_SECONDS = 0.1


@click.command("workers")
@click.argument("number", metavar="[N]", type=int, required=False)
@config_option
@json_option
def command(number: int | None, config_file: Path, as_json: bool) -> int:
    """Say how many workers a running gateway has; with N, make it so many, without a restart.

    Work in hand is finished where it is. The number holds until the gateway ends: to keep it, write it into the
    configuration ([pool] workers), and nothing need be restarted for that either (SIGHUP).
    """
    from engine.config import load_gateway
    from engine.errors import ConfigError
    from engine.spool import inventory, workers
    from engine.spool.hints import HintOutbox
    from engine.spool.layout import Spool

    if number is not None and not 1 <= number <= workers.MOST:
        raise ConfigError(
            "workers-out-of-range",
            f"a gateway has 1 to {workers.MOST} workers, not {number:,}",
            hint=f"one for each core is a good beginning: this machine has {os.cpu_count()}",
        )
    config = load_gateway(config_file)
    spool = Spool.open(config.spool.path, create=False)
    if not inventory.is_running(spool):
        raise ConfigError(
            "not-running",
            "the gateway is not running",
            hint=f"its configuration says workers = {config.pool.workers}; change it there, or start the gateway",
        )
    before, _ = _now(spool)
    if number is not None:
        workers.ask(spool.run, number)
        with HintOutbox(spool.run, "coordinator") as hints:
            hints.send([workers.WORD])
        _wait(spool, number)
    wanted, working = _now(spool)
    if as_json:
        print_json(
            {"configured": config.pool.workers, "before": before, "wanted": wanted, "working": working}
        )
    else:
        change = f" (before: {before})" if number is not None else ""
        starting = "" if working == wanted else f" of {wanted}, the others are starting"
        noun = "worker" if working == wanted == 1 else "workers"
        click.echo(f"{working} {noun}{starting}{change}; the configuration says {config.pool.workers}")
        cores = os.cpu_count() or 1
        if wanted > cores:
            click.echo(f"this machine has {cores} cores: more workers than that rarely help")
    return 0


def _now(spool: Spool) -> tuple[int, int]:
    """(wanted, working) as the coordinator counts them."""
    from engine.metrics.reading import Snapshot

    told = Snapshot.take(spool.run).by("penstock_workers", "state")
    return int(told.get("wanted", 0)), int(told.get("working", 0))


def _wait(spool: Spool, number: int) -> None:
    """Returns when the gateway has `number` workers. SpoolError if that takes too long."""
    from engine.errors import SpoolError

    until = time.monotonic() + PATIENCE
    while _now(spool) != (number, number):
        if time.monotonic() > until:
            raise SpoolError(
                "workers-not-there-yet",
                f"{_now(spool)[1]} of {number} workers are ready after {PATIENCE:.0f} s",
                hint="memory or processes may be short: see the gateway's log",
            )
        time.sleep(LOOK_SECONDS)
