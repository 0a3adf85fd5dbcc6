"""`penstock doctor`: what is in a spool and around it, what the gateway will do with it, and what a person should."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import config_option
from engine.cli.output import json_option, print_json, say, visible

if TYPE_CHECKING:
    from engine.doctor.examine import Report
    from engine.doctor.finding import Finding


@click.command(
    "doctor",
    epilog="Exit codes: 0 nothing to do, 1 a person should look at something, 2 the gateway cannot start or cannot go on.",
)
@config_option
@click.option(
    "--repair",
    is_flag=True,
    help="With the gateway stopped: remove what was never acknowledged or was cut short, and close what others can read.",
)
@json_option
def command(config_file: Path, repair: bool, as_json: bool) -> int:
    """Examine a spool, of a stopped or a running gateway, its configuration and certificates. Only reads, unless told to repair."""
    from engine.doctor.examine import examine
    from engine.doctor.repair import repair as mend

    report = examine(config_file)
    if repair:
        report = mend(report)
    if as_json:
        print_json(report.describe())
    else:
        _show(report)
    return int(report.level)


def _show(report: Report) -> None:
    if report.spool:
        click.echo(
            visible(f"spool {report.spool}; the gateway is {'running' if report.running else 'not running'}")
        )
    for finding in sorted(report.findings, key=lambda one: -one.level):
        _show_one(finding)
    words = {0: "nothing to do", 1: "somebody should look at this", 2: "the gateway cannot work like this"}
    click.echo(words[int(report.level)])


def _show_one(finding: Finding) -> None:
    count = f" ({finding.count:,})" if finding.count != 1 else ""
    word = "repaired" if finding.repaired else finding.level.name.lower()
    say(f"{word:9} {finding.code}{count}: {finding.what}", indent=10)
    rows = (
        ("where", finding.where if finding.level else ""),
        ("gateway", f"will {finding.will}" if finding.will else ""),
        ("you", finding.do),
    )
    for name, text in rows:
        if text:
            say(f"{'':10}{name + ':':9}{text}", indent=19)
