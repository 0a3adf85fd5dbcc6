"""Shows the story to people."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from engine.demo.show import Story


def show(story: Story, console: Console) -> None:
    """Prints what was before and after, what was checked, where it lies, and how long it took."""
    console.print(Group(Text(), _attributes(story), Text(), _checks(story), Text(), _where(story), Text()))


def _attributes(story: Story) -> RenderableType:
    table = Table(title="One image, before and after", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("", style="bold")
    table.add_column("as the PACS sent it", style="red", overflow="fold")
    table.add_column("as the platform has it", style="green", overflow="fold")
    for line in story.lines:
        same = line.before == line.after
        table.add_row(
            line.name,
            Text(line.before, style="dim" if same else ""),
            Text(line.after, style="dim" if same else ""),
        )
    return table


def _checks(story: Story) -> RenderableType:
    rows = [Text.assemble(_mark(check.holds), " ", check.what) for check in story.checks]
    return Padding(Group(*rows), (0, 0, 0, 0))


def _mark(holds: bool) -> tuple[str, str]:
    return ("✓", "bold green") if holds else ("✗", "bold red")


def _where(story: Story) -> RenderableType:
    megabytes = story.size / 1e6
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    grid.add_row("hashed ID", f"{story.hashed_id}  (what `penstock hash` gives for the Patient ID)")
    grid.add_row("found there as", f"GET {story.listing}")
    grid.add_row("study", f"{story.study_instance_uid}, {story.stored} objects")
    grid.add_row(
        "time",
        f"{story.acknowledged:.2f} s until acknowledged, {story.arrived:.2f} s until on the platform: "
        f"{story.objects / story.arrived:.0f} objects/s, {megabytes / story.arrived:.0f} MB/s",
    )
    return grid
