"""What commands say, and how: one JSON document, a table for people, or an error. rich and orjson are
imported when needed.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from engine.errors import PenstockError

LEAST_COLUMNS = 40  # for words, in a terminal however narrow
F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Gives a command `--json`, as the argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else.")(
        function
    )


def print_json(document: object) -> None:
    """Writes the document to standard output; a command does so once."""
    import orjson

    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode("utf-8")
    sys.stdout.write(text)
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints a table to standard output. Numbers stand right; control characters are shown, not sent."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    table = Table(
        title=Text(visible(title)) if title else None, title_justify="left", box=None, pad_edge=False
    )
    for index, column in enumerate(columns):
        numbers = bool(cells) and all(isinstance(row[index], int | float) for row in cells)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text("" if cell is None else visible(str(cell))) for cell in row))
    Console(highlight=False).print(table)


def say(text: str, *, indent: int = 0) -> None:
    """Prints a sentence: in a terminal wrapped between words, its further lines moved in by `indent`; elsewhere in one line."""
    text = visible(text)
    if sys.stdout.isatty():
        columns = max(shutil.get_terminal_size().columns, indent + LEAST_COLUMNS)
        lines = textwrap.wrap(
            text, columns, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
        )
        text = "\n".join(lines)
    click.echo(text)


def report_error(error: PenstockError, *, as_json: bool) -> None:
    """One line on standard error, the hint below it; with `as_json` also `{"error": …}` on the output."""
    if as_json:
        print_json({"error": error.describe()})
    hint, error.hint = error.hint, ""
    try:
        line = str(error)
    finally:
        error.hint = hint
    click.echo(f"penstock: {visible(line)}", err=True)
    if hint:
        click.echo(f"  {visible(hint)}", err=True)


def visible(text: str) -> str:
    """The text with what could steer a terminal made visible: a file's name may hold ESC, CR or LF."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode("ascii") for c in text
    )
