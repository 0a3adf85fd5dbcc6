"""`penstock tune`: how many workers, receivers and requests suit this machine and these objects."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import config_option
from engine.cli.output import json_option, print_json, print_table, visible
from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.tuning.proposal import Proposal
    from engine.tuning.search import Measure, Outcome
    from engine.tuning.setting import Setting

BAR = 40
MOST_FILES = 200
CHECK_TIMES = 3


@click.command("tune")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@config_option
@click.option(
    "--minutes", type=click.FloatRange(0.2, 60), default=1.6, show_default=True, help="How long it may try."
)
@click.option(
    "--trial",
    "trial_seconds",
    type=click.FloatRange(0.2, 60),
    default=1.5,
    show_default=True,
    metavar="SECONDS",
    help="How long one trial sends.",
)
@click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="Where trials lie meanwhile.  [default: beside the spool]",
)
@click.option(
    "--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Draw the curve."
)
@click.option("--apply", "is_applied", is_flag=True, help="Write the proposal into the configuration.")
@click.option("--no-check", is_flag=True, help="Leave out the longer run that checks the prediction.")
@json_option
def command(
    paths: tuple[Path, ...],
    config_file: Path,
    minutes: float,
    trial_seconds: float,
    work: Path | None,
    svg: Path | None,
    is_applied: bool,
    no_check: bool,
    as_json: bool,
) -> int:
    """Try settings on this machine, with your objects at PATH or made ones, and propose one.

    Each trial starts a gateway and a platform of its own on loopback, sends by C-STORE, and ends with the last receipt: your
    running gateway, its spool and your platform are not touched, and no object leaves the machine. Do it while the machine
    has little else to do.
    """
    from engine.config import load_gateway
    from engine.tuning import chart
    from engine.tuning.proposal import Proposal, apply
    from engine.tuning.search import search
    from engine.tuning.setting import Setting, axes
    from engine.tuning.trial import Bench, Sample

    config = load_gateway(config_file)
    _results_can_be_written(svg, config_file if is_applied else None)
    place = work or config.spool.path.parent
    try:
        temporary = tempfile.TemporaryDirectory(prefix=".penstock-tune-", dir=place)
    except OSError as error:
        raise ConfigError(
            "work-unusable",
            f"cannot work in {place}: {error.strerror}",
            hint="name another folder with --work",
        ) from error
    with _said_when_full(place), temporary as folder:
        sample = Sample.of(_files(paths) or _made(Path(folder)))
        bench = Bench(config, sample, Path(folder), trial_seconds)
        with _watched(bench.measure) as measure:
            found = search(measure, Setting.of(config), axes(len(os.sched_getaffinity(0))), minutes * 60)
            check = None
            if not no_check:
                objects = found.tried.rate(found.knee) * trial_seconds * CHECK_TIMES
                check = bench.run(found.knee, objects)
        proposal = Proposal(found, sample.mean_bytes, check)
    if svg is not None:
        svg.write_text(chart.svg(found), encoding="utf-8")
    is_applied = is_applied and proposal.setting != found.begun
    if is_applied:
        apply(config_file, proposal)
    if as_json:
        print_json({**proposal.describe(), "applied": is_applied})
    else:
        _tell(proposal, config_file, is_applied=is_applied)
    return 0


def _results_can_be_written(svg: Path | None, config_file: Path | None) -> None:
    """Before minutes of work, not behind them. ConfigError where they cannot be."""
    if svg is not None and not os.access(svg if svg.exists() else svg.parent, os.W_OK):
        raise ConfigError("svg-unwritable", f"{svg} cannot be written", hint="name another file with --svg")
    if config_file is not None and not (
        os.access(config_file, os.W_OK) and os.access(config_file.parent, os.W_OK)
    ):
        raise ConfigError(
            "config-unwritable",
            f"{config_file} cannot be written",
            hint="leave out --apply and put the proposal there yourself, or run it as the file's owner",
        )


@contextlib.contextmanager
def _said_when_full(place: Path) -> Iterator[None]:
    """A disk that is full, or gets full meanwhile, is named. ConfigError."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise ConfigError(
            "disk-too-full",
            f"the disk of {place} is full",
            hint="free some space, or name another folder with --work (on the spool's kind of disk, or it tells nothing)",
        ) from error


def _files(paths: tuple[Path, ...]) -> list[Path]:
    from engine.sender.source import files_in

    try:
        found = list(files_in(paths)) if paths else []
    except OSError as error:
        raise ConfigError("sample-unreadable", f"cannot read {error.filename}: {error.strerror}") from error
    if paths and not found:
        raise ConfigError(
            "sample-empty", "there is no file in what was named", hint="name DICOM files or a folder"
        )
    # Evenly over what was named, so that large and small series both are in it.
    return found[:: max(1, len(found) // MOST_FILES)][:MOST_FILES]


def _made(folder: Path) -> list[Path]:
    from engine.dicom import sample

    return sample.write(folder / "sample", shape=sample.Shape(slices=7))


@contextlib.contextmanager
def _watched(measure: Measure) -> Iterator[Measure]:
    """Tells each trial on standard error, if that is a terminal."""
    from engine.tuning.setting import MIB

    number = 0

    def told(setting: Setting) -> Outcome:
        nonlocal number
        number += 1
        say = click.echo if sys.stderr.isatty() else _nothing
        line = (
            f"trial {number}: {setting.workers} workers, {setting.receivers} receivers, {setting.connections} requests "
            f"of {setting.batch_bytes // MIB} MiB"
        )
        say(f"{line} …", err=True, nl=False)
        outcome = measure(setting)
        say(f"\r{line}: {outcome.rate:,.0f} objects/s", err=True)
        return outcome

    yield told


def _nothing(*_words: object, **_options: object) -> None:
    """Standard error is no terminal."""


def _tell(proposal: Proposal, config_file: Path, *, is_applied: bool) -> None:
    from engine.tuning.chart import NAMES, points

    found = proposal.found
    most = max(map(found.tried.rate, found.tried.outcomes))
    for axis, name in NAMES.items():
        through = points(found, axis)
        if len(through) > 1:
            print_table(
                "",
                (name, "objects/s", ""),
                [(f"{value:g}", f"{rate:,.0f}", "█" * round(BAR * rate / most)) for value, rate in through],
            )
            click.echo()
    told = proposal.describe()
    now, then = told["now"]["objects_per_second"], told["predicted"]
    if proposal.setting == found.begun:
        click.echo(f"The configuration is at the knee already: {now:,} objects/s.")
    else:
        click.echo(
            f"Proposed: {proposal.predicted:,.0f} objects/s, {proposal.gain:.2f} × the {now:,.0f} of the configuration as it is; "
            f"memory {then['resident_bytes'] / 1e6:,.0f} MB ({then['resident_bytes_more'] / 1e6:+,.0f}), spool at most "
            f"{then['spool_bytes'] / 1e6:,.0f} MB ({then['spool_bytes_more'] / 1e6:+,.0f})."
        )
    click.echo(f"What limits it then: {then['limit']}.")
    if not found.whole:
        click.echo("There was no time for every step: --minutes gives it more.")
    if proposal.check is not None:
        verdict = (
            "as predicted"
            if proposal.confirmed
            else "NOT as predicted: is the machine busy? Tune again when it is not"
        )
        click.echo(f"Checked by a longer run: {proposal.check.rate:,.0f} objects/s, {verdict}.")
    if proposal.setting == found.begun:
        return
    click.echo(f"\n{proposal.fragment}")
    if is_applied:
        click.echo(f"Written into {visible(str(config_file))}. A running gateway takes it at SIGHUP.")
    else:
        click.echo("Put this into the configuration, or run it again with --apply.")
