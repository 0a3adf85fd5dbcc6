"""`penstock batch`: a folder of objects into a folder of pseudonymized ones."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import load_secret, secret_file_option
from engine.cli.output import json_option, print_json, visible
from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.batch import Progress, Report

INTERRUPTED = 130
STUDIES_SHOWN = 3


@click.command("batch")
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path), required=False)
@click.option(
    "--profile", default="default", show_default=True, metavar="P", help="A profile's name or file."
)
@secret_file_option
@click.option(
    "--workers", type=click.IntRange(1, 256), metavar="N", help="Processes.  [default: one for each CPU]"
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Let the workers of a Dask cluster do it, such as tcp://host:8786; IN, OUT and the secret's file have to be shared.",
)
@click.option(
    "--same-uid",
    type=click.Choice(["refuse", "keep"]),
    default="refuse",
    show_default=True,
    help="A later object with the same SOP Instance UID and other contents: refuse it, or keep it under a "
    "numbered name.",
)
@click.option(
    "--page-align",
    is_flag=True,
    help="Keep each body's place in a page of the disk: faster, and shared on XFS and Btrfs; up to 4 KiB more a file.",
)
@click.option(
    "--dry-run", is_flag=True, help="Write nothing; show studies before and after, with identities."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Studies that a dry run shows in full.  [default: 3]",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what a dry run shows into an HTML page instead.",
)
@json_option
def command(
    source: Path,
    out: Path | None,
    profile: str,
    secret_file: Path | None,
    workers: int | None,
    cluster: str | None,
    same_uid: str,
    page_align: bool,
    dry_run: bool,
    limit: int | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Pseudonymize all objects under the folder IN into the folder OUT.

    Outputs are OUT/hashed ID/study/series/object.dcm by their new UIDs. What was refused, and why, stands in
    OUT/quarantine.json, which names input files: it is for you alone. Originals are only read. After an
    interruption run the same command again: it goes on where it stopped.

    With --dry-run nothing is written and OUT is not needed: every object is planned, and the first studies are shown
    before and after, on the screen, as a page (--html) or as JSON. That shows identities.

    Exit codes: 0 done, 1 some were refused or it had to stop, 2 nothing could be done, 130 interrupted.
    """
    if not dry_run and (limit is not None or html is not None):
        raise click.UsageError("--limit and --html belong to --dry-run")
    if dry_run:
        return _rehearse(source, profile, secret_file, limit or STUDIES_SHOWN, html, as_json=as_json)
    if out is None:
        raise click.UsageError("Missing argument 'OUT'.")
    if cluster is not None and workers is not None:
        raise click.UsageError("--workers are processes here; a --cluster has as many as it has")
    secret = load_secret(secret_file)
    from engine.batch import Request, run
    from engine.profile import compiled

    request = Request(
        source=source,
        out=out,
        profile=compiled(profile),
        secret=secret,
        workers=workers or len(os.sched_getaffinity(0)),
        keep_same_uid=same_uid == "keep",
        page_aligned=page_align,
        cluster=cluster or "",
        secret_file=secret_file or Path(),
    )
    with _progress() as watch:
        report = run(request, watch)
    if report.files == 0 and report.stopped is None:
        raise ConfigError("input-empty", f"the input folder {source} holds no files", hint="name another one")
    if as_json:
        print_json(report.document())
    else:
        _tell(report)
    if report.advice:
        click.echo(f"penstock: {visible(report.advice)}", err=True)
    return INTERRUPTED if report.stopped == "interrupted" else report.exit_code


def _rehearse(
    source: Path, profile: str, secret_file: Path | None, limit: int, html: Path | None, *, as_json: bool
) -> int:
    secret = load_secret(secret_file)
    from engine.batch.dryrun import rehearse
    from engine.cli import preview_page, preview_view
    from engine.profile import compiled

    if html is not None and Path(os.path.realpath(source)) in Path(os.path.realpath(html)).parents:
        raise ConfigError(
            "page-in-input",
            f"the page {html} would lie in the input folder",
            hint="name a file elsewhere: a later run would take it for an input",
        )
    with _counter() as watch:
        preview = rehearse(source, compiled(profile), secret, limit, watch)
    if preview.files == 0:
        raise ConfigError("input-empty", f"the input folder {source} holds no files", hint="name another one")
    if html is not None:
        preview_page.write(preview, html)
    if as_json:
        print_json(preview_view.as_document(preview))
    elif html is not None:
        click.echo(f"{preview_view.summary(preview)}\nshown in {visible(str(html))}\n{preview_view.WARNING}")
    else:
        preview_view.show(preview)
    return 1 if preview.tally.quarantined else 0


@contextlib.contextmanager
def _counter() -> Iterator[Callable[[int], None] | None]:
    """The number of files so far, on standard error if that is a terminal; else nothing."""
    if not sys.stderr.isatty():
        yield None
        return

    def watch(files: int) -> None:
        if files % 100 == 0:
            click.echo(f"\r{files:,} files", err=True, nl=False)

    yield watch
    click.echo("\r\033[K", err=True, nl=False)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[Progress], None] | None]:
    """A bar on standard error if that is a terminal; else nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress as bars
    from rich.console import Console

    # No refreshing thread: the workers are forked from this process.
    bar = bars.Progress(
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TextColumn("{task.fields[told]}"),
        console=Console(stderr=True),
        auto_refresh=False,
    )
    with bar:
        task = bar.add_task("pseudonymizing", total=None, told="")

        def watch(progress: Progress) -> None:
            bar.update(task, total=progress.total_files, completed=progress.files, told=_line(progress))
            bar.refresh()

        yield watch


def _line(progress: Progress) -> str:
    seconds = max(progress.seconds, 1e-9)
    words = [
        f"{progress.files:,}" + (f" of {progress.total_files:,}" if progress.total_files else ""),
        f"{progress.files / seconds:,.0f} objects/s",
        f"{progress.bytes / seconds / 1e6:,.0f} MB/s",
        f"{progress.refused:,} refused",
    ]
    if progress.total_files and progress.files:
        left = seconds * (progress.total_files - progress.files) / progress.files
        words.append(f"{int(left) // 60}:{int(left) % 60:02} left")
    return "  ".join(words)


def _count(number: int, what: str) -> str:
    plural = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number:,} {what if number == 1 else plural}"


def _tell(report: Report) -> None:
    told = report.document()
    click.echo(
        f"{_count(report.written, 'object')} of {_count(len(report.studies), 'study')} written in {report.seconds:.1f} s "
        f"({told['objects_per_second']:,} objects/s, {told['megabytes_per_second']:,} MB/s), "
        f"on the disk after {report.sync_seconds:.1f} s more"
    )
    click.echo(f"profile {report.profile} ({report.profile_digest[:16]}), hash secret {report.key_id}")
    if report.duplicates:
        click.echo(f"{_count(report.duplicates, 'file')} gave the same output as another, byte for byte")
    if report.already_done:
        click.echo(f"{report.already_done:,} were done before the interruption")
    for code, count in sorted(report.refused.items()):
        click.echo(f"{count:,} refused: {code}")
    for code, count in sorted(report.notices.items()):
        click.echo(f"{count:,} noticed: {code}")
    if report.refused or report.notices:
        click.echo(f"each is named in {visible(report.quarantine)}")
