"""The gateway in 80 columns: what `penstock top` shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.cli.output import visible
from engine.supervisor import words
from engine.supervisor.view import ILL, StageView, View

WIDTH = 80
NOTHING = "·"  # in a cell, so that an idle gateway is not an empty table
_WELL = frozenset({"idle", "senders-idle"})
_BAR = 20
_MOST_ROWS = 5

ROWS: tuple[tuple[str, Callable[[StageView], str]], ...] = (
    ("objects/s", lambda stage: words.rate(stage.objects)),
    ("MB/s", lambda stage: words.rate(stage.bytes / 1e6)),
    ("waiting", lambda stage: f"{stage.waiting:,.0f}" if stage.waiting else ""),
    ("in hand", lambda stage: words.size(stage.bytes_in_flight) if stage.bytes_in_flight else ""),
    ("busy", lambda stage: words.share(stage.busy)),
    ("starved", lambda stage: words.share(stage.starved)),
    ("blocked", lambda stage: words.share(stage.blocked)),
    ("median", lambda stage: words.latency(stage.latency)),
)


def picture(view: View, *, note: str = "") -> RenderableType:
    """All of it. `note` stands in the last line."""
    parts: list[RenderableType] = [
        _title(view),
        _limit(view),
        _stages(view),
        _disk(view),
        _workers(view),
        _passes(view),
        _quarantine(view),
        _destinations(view),
        _peers(view),
    ]
    if note:
        parts.append(Text(note, style="dim"))
    return Group(*parts)


def _title(view: View) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column()
    line.add_column(justify="right")
    up = f"up {words.span(view.up_seconds)}" if view.running else "not running"
    line.add_row(Text(f"Penstock · {visible(view.name)}", style="bold"), Text(up, style="dim"))
    return line


def _limit(view: View) -> RenderableType:
    limit = view.limit
    style = "bold red" if limit.code in ILL else "bold" if limit.code in _WELL else "bold yellow"
    told = Text(f"▶ {visible(limit.words)}", style=style)
    if limit.advice:
        told.append(f"\n  {visible(limit.advice)}", style="dim not bold")
    for note in view.notes:
        told.append(f"\n  {visible(note)}", style="red not bold")
    return told


def _stages(view: View) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 0), expand=False, header_style="bold")
    table.add_column("", width=10, style="dim", no_wrap=True)
    for stage in view.stages:
        table.add_column(stage.name, width=10, justify="right", no_wrap=True)
    for name, told in ROWS:
        table.add_row(name, *(_cell(name, stage, told(stage)) for stage in view.stages))
    return table


def _cell(row: str, stage: StageView, told: str) -> Text:
    hot = (row == "busy" and stage.busy > 0.85) or (row == "blocked" and stage.blocked > 0.5)
    return Text(told or NOTHING, style="yellow" if hot else "" if told else "dim")


def _disk(view: View) -> Text:
    disk = view.disk
    filled = round(min(disk.share, 1.0) * _BAR)
    told = Text("spool      ", style="dim")
    told.append("█" * filled, style="red" if disk.share > 0.85 else "green")
    told.append("░" * (_BAR - filled), style="dim")
    told.append(
        f" {disk.share:.0%} of {words.size(disk.most)}, {words.full_in(disk.seconds_until_full)}",
        style="default",
    )
    return told


def _workers(view: View) -> Text:
    told = Text("workers    ", style="dim")
    told.append(f"{view.workers_working} of {view.workers_wanted}", style="default")
    shares = "  ".join(f"{number}: {busy:.0%}" for number, busy in list(view.workers.items())[:_MOST_ROWS])
    if shares:
        told.append(f"   busy {shares}" + (" …" if len(view.workers) > _MOST_ROWS else ""), style="default")
    cores = "  ".join(f"{name} {one.cores:.1f}" for name, one in view.processes.items() if one.cores >= 0.05)
    if cores:
        told.append("\ncores used ", style="dim")
        told.append(cores, style="default")
    down = [name for name, one in view.processes.items() if not one.up and name != "workers"]
    if down and view.running and view.limit.code not in {"role-down", "starting"}:
        told.append(f"\n           not running: {', '.join(down)}", style="red")
    return told


def _passes(view: View) -> Text:
    told = Text("passes     ", style="dim")
    told.append(f"{view.passes_open:,} open, {view.passes.get('sealed', 0):,.0f} sealed", style="default")
    if view.split_studies:
        told.append(f", {view.split_studies:,} opened again", style="yellow")
    told.append(f"   associations {view.associations:,}", style="default")
    return told


def _quarantine(view: View) -> Text:
    told = Text("quarantine ", style="dim")
    told.append(f"{view.quarantine:,} objects", style="red" if view.quarantine else "default")
    reasons = sorted(((count, code) for code, count in view.quarantined.items() if count), reverse=True)
    if reasons:
        told.append(
            "   " + ", ".join(f"{visible(code)} {count:,.0f}" for count, code in reasons[:3]), style="default"
        )
    return told


def _destinations(view: View) -> RenderableType:
    return _table(
        ("destination", "waiting", "objects/s", "per second", "state"),
        [
            (
                name,
                f"{one.waiting:,.0f}",
                words.rate(one.objects),
                words.size(one.bytes),
                f"again within {one.backoff:,.0f} s" if one.backoff else "takes objects",
            )
            for name, one in view.destinations.items()
        ],
    )


def _peers(view: View) -> RenderableType:
    return _table(
        ("peer", "open", "objects/s", "per second", "refused"),
        [
            (
                name,
                f"{one.associations:,.0f}",
                words.rate(one.objects),
                words.size(one.bytes),
                f"{one.refused:,.0f}",
            )
            for name, one in view.peers.items()
        ],
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> RenderableType:
    """The first rows; how many there are beyond them is said."""
    every = list(rows)
    if not every:
        return Text(f"{columns[0]:<26} none yet", style="dim")
    table = Table(box=None, pad_edge=False, padding=(0, 0), header_style="dim")
    table.add_column(columns[0], width=24, no_wrap=True)
    for column, width in zip(columns[1:], (9, 11, 13, 20), strict=True):
        table.add_column(column, width=width, justify="right", no_wrap=True)
    for row in every[:_MOST_ROWS]:
        table.add_row(*(Text(visible(cell)) for cell in row))
    if len(every) > _MOST_ROWS:
        table.add_row(Text(f"and {len(every) - _MOST_ROWS} more (see --json)", style="dim"))
    return table
