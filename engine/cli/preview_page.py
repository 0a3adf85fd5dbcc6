"""The dry run as one HTML page: nothing is loaded from anywhere, nothing is executed, and every value is escaped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.cli.preview_view import (
    WARNING,
    about,
    columns_of,
    groups,
    row_of,
    shorten,
    summary,
    tag_of,
    title,
)
from engine.errors import ConfigError
from engine.version import VERSION

if TYPE_CHECKING:
    from engine.batch.dryrun import Preview, RefusedHere, StudyPreview

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b2430; --dim: #5a6675; --paper: #fff; --line: #dde3ea; --new: #0b6b3a;
  --old: #9a3412; --warn: #fff4d6; --warn-ink: #6b4700; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --dim: #98a4b3; --paper: #14181d; --line: #2c343e;
  --new: #6fd69c; --old: #f0a27a; --warn: #3a2f12; --warn-ink: #f3d58a; --bad: #ff8a7a; } }
* { box-sizing: border-box; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1.25rem; font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .25rem; }
p { margin: .25rem 0 .75rem; } .dim { color: var(--dim); }
.warning { background: var(--warn); color: var(--warn-ink); padding: .6rem .9rem; border-radius: .4rem; font-weight: 600; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; margin: .25rem 0 1rem; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: .85em; }
th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td.value { font-family: ui-monospace, monospace; font-size: .88em; }
td.before { color: var(--old); } td.after { color: var(--new); }
details { border-top: 1px solid var(--line); padding: .4rem 0; } summary { cursor: pointer; font-weight: 600; }
summary span { font-weight: 400; color: var(--dim); } .refused h3, .refused td.code { color: var(--bad); }
"""
OPENED: Final = 40  # a group with more attributes than this is closed at first


def page(preview: Preview) -> str:
    """The whole page. It shows identities."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        '<meta name="robots" content="noindex"><meta name="referrer" content="no-referrer">',
        f"<title>Penstock: dry run</title><style>{STYLE}</style></head><body>",
        "<h1>Dry run: nothing was written</h1>",
        f'<p class="warning">{escape(WARNING)}</p>',
        f"<p>{escape(summary(preview))}</p>",
    ]
    for number, study in enumerate(preview.studies.values(), 1):
        parts += _study(number, study)
    if preview.elsewhere:
        parts += _refused("Refused, in no study that is shown", preview.elsewhere)
    parts.append(f'<p class="dim">Penstock {escape(VERSION)}</p></body></html>')
    return "\n".join(parts) + "\n"


def write(preview: Preview, path: Path) -> None:
    """Writes the page, for its owner alone (0600), in place of what is there. ConfigError if that cannot be done."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(page(preview))
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unknown error"
        raise ConfigError(
            "page-not-written",
            f"the page {path} cannot be written: {reason}",
            hint="name a file in a folder that you may write to",
        ) from error


def _study(number: int, study: StudyPreview) -> Iterator[str]:
    yield f'<section><h2>Study {number}</h2><p class="dim">{escape(about(study))}</p>'
    yield from _table(("Who", "before", "after"), study.identity)
    for what, action, changes in groups(study):
        opened = " open" if len(changes) <= OPENED else ""
        heading, behind = title(what, action, len(changes))
        yield f"<details{opened}><summary>{escape(heading)} <span>{escape(behind)}</span></summary>"
        columns = columns_of(what)
        yield from _table(("attribute", *columns), [row_of(change, columns) for change, _ in changes])
        yield "</details>"
    if study.refused:
        yield from _refused("Refused", study.refused)
    yield "</section>"


def _refused(title: str, refused: list[RefusedHere]) -> Iterator[str]:
    yield f'<div class="refused"><h3>{escape(title)}</h3>'
    rows = [(one.path, one.code, f"{one.reason} {tag_of(one) or ''}".strip(), one.hint) for one in refused]
    yield from _table(("file", "code", "reason", "what to do"), rows)
    yield "</div>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield (
        "<table><thead><tr>"
        + "".join(f"<th>{escape(name)}</th>" for name in columns)
        + "</tr></thead><tbody>"
    )
    for row in rows:
        cells = zip(columns, row, strict=True)
        yield (
            "<tr>"
            + "".join(f'<td class="{_kind(name)}">{escape(shorten(cell))}</td>' for name, cell in cells)
            + "</tr>"
        )
    yield "</tbody></table>"


def _kind(column: str) -> str:
    return f"value {column}" if column in {"before", "after"} else "code" if column == "code" else "name"
