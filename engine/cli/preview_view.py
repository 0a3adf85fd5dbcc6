"""How `penstock batch --dry-run` shows a study before and after: tables for a terminal, one JSON object for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from engine.cli.output import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from engine.batch.dryrun import Preview, RefusedHere, StudyPreview
    from engine.batch.preview import Change
    from engine.pseudonymize.receipt import Tally

WARNING: Final = (
    "This shows the identities of patients, as they are before pseudonymization. It is for you alone."
)
ORDER: Final = ("replaced", "emptied", "removed", "added")
TITLES: Final = {
    "replaced": "Replaced",
    "emptied": "Emptied",
    "removed": "Removed",
    "added": "Added",
}
LONGEST: Final = 200  # letters of a value
PLAIN_WIDTH: Final = 120
MOST_ROWS: Final = 60  # of one group on a terminal; page and JSON have them all
MOST_PRIVATE_ROWS: Final = 12


def groups(study: StudyPreview) -> Iterator[tuple[str, str, list[tuple[Change, int]]]]:
    """(what, action, changes with the number of objects), in the order in which they are shown."""
    by: dict[tuple[str, str], list[tuple[Change, int]]] = {}
    for change, count in study.changes.values():
        action = "" if change.what == "added" else change.action
        by.setdefault((change.what, action), []).append((change, count))
    for what, action in sorted(by, key=lambda key: (ORDER.index(key[0]), key[1])):
        yield what, action, by[what, action]


def title(what: str, action: str, count: int) -> tuple[str, str]:
    """A group's heading, and what stands behind it."""
    by = f" ({action})" if action not in {"", "empty", "remove"} else ""
    return TITLES[what] + by, f"{count:,} attribute{'' if count == 1 else 's'}"


def shorten(text: str) -> str:
    """At most 200 letters, with control characters made visible."""
    text = visible(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} letters)"


def pixels(tally: Tally) -> str:
    """What becomes of the pixels, in words."""
    words = {"kept": "kept as they are", "masked": "with regions blanked", "none": "without pixels"}
    told = [f"{tally.pixels[status]:,} {word}" for status, word in words.items() if tally.pixels[status]]
    return ", ".join(told) or "no object"


def as_document(preview: Preview) -> dict[str, Any]:
    """The preview as a JSON object. Original values stand in it."""
    return {
        "dry_run": True,
        "warning": WARNING,
        "profile": {"name": preview.profile, "digest": preview.profile_digest},
        "key_id": preview.key_id,
        "files": preview.files,
        "objects": preview.tally.objects,
        "actions": dict(sorted(preview.tally.actions.items())),
        "pixels": dict(sorted(preview.tally.pixels.items())),
        "refused": preview.tally.quarantined.total(),
        "refused_by_code": _by_code(preview.tally),
        "studies_not_shown": len(preview.others),
        "studies": [_study_document(study) for study in preview.studies.values()],
        "refused_elsewhere": [_refused_document(one) for one in preview.elsewhere],
    }


def _by_code(tally: Tally) -> dict[str, int]:
    found: dict[str, int] = {}
    for (code, _), count in sorted(tally.quarantined.items(), key=lambda row: row[0][0]):
        found[code] = found.get(code, 0) + count
    return found


def _study_document(study: StudyPreview) -> dict[str, Any]:
    return {
        "study": study.study,
        "new_study": study.new_study,
        "objects": study.tally.objects,
        "pixels": dict(sorted(study.tally.pixels.items())),
        "compared": study.compared,
        "unshown": study.unshown,
        "identity": [
            {"attribute": name, "before": before, "after": after} for name, before, after in study.identity
        ],
        "changes": [
            {
                "what": change.what,
                "action": change.action,
                "where": list(change.where),
                "tag": change.tag,
                "before": change.before,
                "after": change.after,
                "objects": count,
            }
            for _, _, changes in groups(study)
            for change, count in changes
        ],
        "refused": [_refused_document(one) for one in study.refused],
    }


def _refused_document(one: RefusedHere) -> dict[str, Any]:
    return {"path": one.path, "code": one.code, "reason": one.reason, "hint": one.hint, "tag": tag_of(one)}


def tag_of(one: RefusedHere) -> str | None:
    """The attribute that is to blame, if one is."""
    return None if one.tag is None else f"({one.tag >> 16:04X},{one.tag & 0xFFFF:04X})"


def show(preview: Preview) -> None:
    """Prints it; through a pager where a terminal is too small for it."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if terminal else PLAIN_WIDTH)
    with console.capture() as captured:
        for part in _parts(preview):
            console.print(part)
    text = captured.get()
    if terminal and text.count("\n") >= console.height:
        click.echo_via_pager(text, color=True)
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def _parts(preview: Preview) -> Iterator[RenderableType]:
    from rich.panel import Panel
    from rich.text import Text

    yield Panel(Text(WARNING), title="dry run: nothing is written", border_style="yellow")
    for number, study in enumerate(preview.studies.values(), 1):
        yield from _study(number, study)
    if preview.elsewhere:
        yield Text("\nRefused, in no study that is shown", style="bold red")
        yield _refused(preview.elsewhere)
    yield Text(f"\n{summary(preview)}", style="bold")


def summary(preview: Preview) -> str:
    """The whole run in one sentence or two."""
    tally = preview.tally
    text = (
        f"{tally.objects:,} objects would be written ({pixels(tally)}), {tally.quarantined.total():,} refused"
    )
    codes = ", ".join(f"{count:,} {code}" for code, count in _by_code(tally).items())
    text += f": {codes}." if codes else "."
    if preview.others:
        text += f" {len(preview.others):,} more studies are not shown: raise --limit."
    return f"{text} Profile {preview.profile} ({preview.profile_digest[:16]}), hash secret {preview.key_id}."


def about(study: StudyPreview) -> str:
    """What is known of a study beside its attributes."""
    text = (
        f"{study.tally.objects:,} objects would be written, {study.tally.quarantined.total():,} refused. "
        f"Pixels: {pixels(study.tally)}. Compared: {study.compared:,}, the first of each series."
    )
    return text + (f" {study.unshown:,} cannot be read for showing." if study.unshown else "")


def _study(number: int, study: StudyPreview) -> Iterator[RenderableType]:
    from rich.rule import Rule
    from rich.text import Text

    yield Text("")
    yield Rule(Text(f"Study {number}"), align="left")
    yield Text(about(study))
    yield _table(["Who", "before", "after"], [(name, old, new) for name, old, new in study.identity])
    for what, action, changes in groups(study):
        yield Text("")
        heading, behind = title(what, action, len(changes))
        yield Text.assemble((heading, "bold"), (f"  {behind}", "dim"))
        columns = columns_of(what)
        most = MOST_PRIVATE_ROWS if action == "private" else MOST_ROWS
        yield _table(["attribute", *columns], [row_of(change, columns) for change, _ in changes[:most]])
        if len(changes) > most:
            yield Text(f"and {len(changes) - most:,} more: --html or --json show them", style="dim")
    if study.refused:
        yield Text("\nRefused", style="bold red")
        yield _refused(study.refused)


def columns_of(what: str) -> list[str]:
    """Which of "before" and "after" there is to show."""
    return {"replaced": ["before", "after"], "added": ["after"]}.get(what, ["before"])


def row_of(change: Change, columns: list[str]) -> tuple[str, ...]:
    """Where, and those columns."""
    values = {"before": change.before, "after": change.after}
    return " › ".join(change.where), *(values[name] for name in columns)


def _refused(refused: list[RefusedHere]) -> RenderableType:
    rows = [(one.path, one.code, f"{one.reason} {tag_of(one) or ''}".strip()) for one in refused]
    return _table(["file", "code", "reason"], rows)


def _table(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(
            column, overflow="fold", style="green" if column == "after" else "", ratio=2 if number else 3
        )
    for row in rows:
        table.add_row(*(Text(shorten(cell)) for cell in row))
    return table
