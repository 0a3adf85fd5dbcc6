"""Shows the story to people."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from engine.demo.show import Story

WIDEST = 25  # characters: three columns in a terminal of 80


def show(story: Story, console: Console) -> None:
    """Prints what was before and after, what was checked, where it lies, and how long it took."""
    console.print(Group(Text(), _attributes(story), Text(), _checks(story), Text(), _where(story), Text()))


def _attributes(story: Story) -> RenderableType:
    table = Table(title="One image, before and after", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("", style="bold")
    table.add_column("as the PACS sent it", style="red", overflow="fold")
    table.add_column("as the platform has it", style="green", overflow="fold")
    for line in story.lines:
        style = "dim" if line.before == line.after else ""
        table.add_row(line.name, Text(shorten(line.before), style), Text(shorten(line.after), style))
    return table


def shorten(value: str) -> str:
    """A long UID or digest without its middle, so that a line stays a line; `--json` has all of it."""
    if len(value) <= WIDEST or " " in value:
        return value
    return f"{value[: WIDEST - 14]}…{value[-13:]}"


def _checks(story: Story) -> RenderableType:
    rows = [Text.assemble(_mark(check.holds), " ", check.what) for check in story.checks]
    return Padding(Group(*rows), (0, 0, 0, 0))


def _mark(holds: bool) -> tuple[str, str]:
    return ("✓", "bold green") if holds else ("✗", "bold red")


def _where(story: Story) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    grid.add_row("hashed ID", f"{story.hashed_id}, as `penstock hash` gives it")
    grid.add_row("found by", f"GET {story.listing}")
    grid.add_row("looked up", f"{story.calculator}, the Patient Hash Calculator")
    grid.add_row("study", f"{story.study_instance_uid}, {story.stored} objects")
    grid.add_row(
        "time", f"{story.acknowledged:.2f} s until acknowledged, {story.arrived:.2f} s until on the platform"
    )
    rate, speed = story.objects / story.arrived, story.size / story.arrived / 1e6
    grid.add_row("rate", f"{rate:.0f} objects/s, {speed:.0f} MB/s, everything on this machine")
    return grid
