"""`penstock top`: the gateway as it works, in a terminal."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import config_option
from engine.cli.output import json_option, print_json

if TYPE_CHECKING:
    from engine.metrics.reading import Snapshot
    from engine.spool.layout import Spool
    from engine.supervisor.view import View

KEYS = "q ends   p pauses"
LEAST, MOST = 0.2, 60.0


@click.command("top")
@config_option
@click.option(
    "--once", is_flag=True, help="Show it once, and end: for a script, or where there is no terminal."
)
@click.option(
    "--seconds",
    type=click.FloatRange(LEAST, MOST),
    default=1.0,
    show_default=True,
    help="Time over which rates are measured, and after which it is shown anew.",
)
@json_option
def command(config_file: Path, once: bool, seconds: float, as_json: bool) -> int:
    """Show the stream as a row of stages with their rates, what limits it, disk, peers, passes, quarantine, destinations.

    Run it on the gateway's machine, as its user. Keys: q ends, p pauses.
    """
    from engine.config import load_gateway
    from engine.errors import ConfigError
    from engine.spool.layout import Spool

    config = load_gateway(config_file)
    spool = Spool.open(config.spool.path, create=False)
    watcher = Watcher(config.gateway.name, spool)
    if as_json or once:
        time.sleep(seconds)
        view = watcher.look()
        if as_json:
            print_json(view.document())
        else:
            _print(view)
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM", "dumb") == "dumb":
        raise ConfigError(
            "no-terminal",
            "this is no terminal that could be drawn on",
            hint="use --once for one picture, or --json for a script; over SSH ask for a terminal: ssh -t",
        )
    _live(watcher, seconds)
    return 0


class Watcher:
    """Makes a view of what happened since the last look."""

    def __init__(self, name: str, spool: Spool) -> None:
        self._name = name
        self._spool = spool
        self._last = self._take()

    def look(self) -> View:
        """The gateway now, with the rates since the last look."""
        from engine.spool import inventory
        from engine.supervisor.notes import notes
        from engine.supervisor.view import view

        before, self._last = self._last, self._take()
        running = inventory.is_running(self._spool)
        return view(self._name, before, self._last, running=running, notes=notes(self._spool.run))

    def _take(self) -> Snapshot:
        from engine.metrics.reading import Snapshot

        return Snapshot.take(self._spool.run)


def _print(view: View) -> None:
    from rich.console import Console

    from engine.cli.top_view import WIDTH, picture

    Console(highlight=False, width=WIDTH).print(picture(view))


def _live(watcher: Watcher, seconds: float) -> None:
    """Until q, Ctrl-C, or the end of the terminal."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from engine.cli.keyboard import END, keys
    from engine.cli.top_view import picture

    view: View | None = None
    paused = False
    waiting = Text("one moment", style="dim")
    with (
        keys() as pressed,
        Live(waiting, console=Console(highlight=False), screen=True, auto_refresh=False) as live,
    ):
        live.refresh()
        due = time.monotonic() + seconds
        while (key := pressed(max(due - time.monotonic(), 0.0))) != END:
            if key == "p":
                paused = not paused
            if time.monotonic() >= due:
                due = time.monotonic() + seconds
                view = view if paused else watcher.look()
            if view is not None:
                state = "paused" if paused else f"every {seconds:g} s"
                live.update(picture(view, note=f"{state}   {KEYS}"), refresh=True)
