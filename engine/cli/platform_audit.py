"""`penstock platform audit`: the trail of who did what, verified, shown and handed over."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import administration_of, platform_config_option
from engine.cli.output import json_option, print_json, print_table
from engine.cli.times import second

if TYPE_CHECKING:
    from engine.platform.audit import Entry
    from engine.platform.audit.verify import Verified

_INSTITUTION = click.option(
    "--institution",
    metavar="NAME",
    help='Its rows alone; "" for those of the platform itself. All if left out.',
)


@click.group("audit")
def command() -> None:
    """The audit trail: rows that are only ever added, each bound to the one before it by a key."""


@command.command("verify")
@platform_config_option
@_INSTITUTION
@click.option(
    "--anchors",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A file, best on another machine, where each verification notes the ends that it found, and checks those before.",
)
@json_option
def verify(config_file: Path, institution: str | None, anchors: Path | None, as_json: bool) -> int:
    """Check every row. Exit code 0: nothing was changed, removed or cut off; 1: something was, and it is named."""
    from engine.platform.audit.verify import note_anchors
    from engine.platform.audit.verify import verify as verified

    with administration_of(config_file) as room:
        chains = room.audit.chains() if institution is None else [institution]
        found = [verified(room.audit, chain, anchors=anchors) for chain in chains]
        wrong = sum(len(one.findings) for one in found)
        if anchors is not None:
            note_anchors(anchors, found)
        room.audit.record(
            "audit-verified",
            actor=room.operator,
            tenant=institution,
            outcome="failed" if wrong else "success",
            detail={"findings": wrong, "rows": sum(one.rows for one in found)},
        )
    if as_json:
        print_json({"intact": not wrong, "chains": [_described(one) for one in found]})
    else:
        _show(found)
    return 1 if wrong else 0


@command.command("show")
@platform_config_option
@_INSTITUTION
@click.option("--event", help="One event alone, such as sign-in.")
@click.option(
    "--most", default=100, show_default=True, type=click.IntRange(1, 100_000), help="How many rows."
)
@json_option
def show(config_file: Path, institution: str | None, event: str | None, most: int, as_json: bool) -> None:
    """The newest rows first. That somebody looked is a row itself."""
    with administration_of(config_file) as room:
        chains = room.audit.chains() if institution is None else [institution]
        rows = [row for chain in chains for row in room.audit.latest(chain, most=most, event=event)]
        room.audit.record("audit-read", actor=room.operator, tenant=institution, outcome="success")
    rows = sorted(rows, key=lambda row: row.time, reverse=True)[:most]
    if as_json:
        print_json({"rows": [_row(row) for row in rows]})
        return
    told = [
        (
            second(row.time),
            row.chain or "-",
            row.number,
            row.event,
            row.outcome,
            _who(row),
            row.subject,
            row.detail,
        )
        for row in rows
    ]
    print_table("", ("when (UTC)", "institution", "row", "event", "outcome", "who", "what", "detail"), told)


@command.command("export")
@platform_config_option
@_INSTITUTION
@click.option(
    "--format",
    "kind",
    type=click.Choice(["xml", "jsonl"]),
    default="xml",
    show_default=True,
    help="xml: one DICOM audit message a line. jsonl: one JSON object a line, with everything that verifying needs.",
)
@click.option("--after", default=0, type=click.IntRange(0), help="Rows with a higher number alone.")
@click.option(
    "--syslog", metavar="HOST[:PORT]", help="Send by syslog over TLS what that server does not have yet."
)
@click.option(
    "--ca", type=click.Path(path_type=Path, dir_okay=False), help="The CA of the syslog server, PEM."
)
@click.option(
    "--certificate", type=click.Path(path_type=Path, dir_okay=False), help="This side's certificate, PEM."
)
@click.option("--key", type=click.Path(path_type=Path, dir_okay=False), help="Its key, PEM.")
@click.option(
    "--follow", type=click.FloatRange(0.1), metavar="SECONDS", help="Go on, looking for rows that often."
)
def export(
    config_file: Path,
    institution: str | None,
    kind: str,
    after: int,
    syslog: str | None,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    follow: float | None,
) -> None:
    """Write rows to standard output, or send them as DICOM audit messages (PS3.15 A.5) by syslog over TLS."""
    if syslog is None:
        _write(config_file, institution, kind, after)
        return
    if ca is None:
        raise click.UsageError("--syslog needs --ca: the trail goes to nobody who is not verified")
    _send(config_file, institution, syslog, (ca, certificate, key), follow)


def _write(config_file: Path, institution: str | None, kind: str, after: int) -> None:
    import orjson

    from engine.platform.audit.message import message

    with administration_of(config_file) as room:
        chains = room.audit.chains() if institution is None else [institution]
        rows = 0
        for chain in chains:
            for row in room.audit.rows(chain, after=after):
                line = message(row) if kind == "xml" else orjson.dumps(_row(row))
                sys.stdout.buffer.write(line + b"\n")
                rows += 1
        sys.stdout.flush()
        detail: dict[str, str | int] = {"rows": rows, "format": kind}
        room.audit.record(
            "audit-exported", actor=room.operator, tenant=institution, outcome="success", detail=detail
        )


def _send(
    config_file: Path,
    institution: str | None,
    syslog: str,
    files: tuple[Path, Path | None, Path | None],
    follow: float | None,
) -> None:
    from engine.platform.audit.export import to_syslog
    from engine.platform.audit.syslog import DEFAULT_PORT, SyslogServer
    from engine.platform.errors import AuditError

    host, _, port = syslog.rpartition(":") if syslog.rpartition(":")[2].isdecimal() else (syslog, "", "")
    server = SyslogServer(host.strip("[]"), int(port or DEFAULT_PORT), *files)
    with administration_of(config_file) as room:
        while True:
            chains = room.audit.chains() if institution is None else [institution]
            try:
                sent = sum(to_syslog(room.audit, server, chain) for chain in chains)
            except AuditError as problem:
                if follow is None or not problem.retryable:
                    raise
                click.echo(f"penstock: {problem}", err=True)
            else:
                if sent or follow is None:
                    click.echo(f"Sent {sent} rows to {server.host} port {server.port}.", err=True)
            if follow is None:
                return
            time.sleep(follow)


def _show(found: list[Verified]) -> None:
    rows = [
        (one.chain or "-", one.rows, "whole" if not one.findings else f"{len(one.findings)} findings")
        for one in found
    ]
    print_table("", ("institution", "rows", ""), rows)
    for one in found:
        for finding in one.findings:
            click.echo(f"{one.chain or 'the platform'}: {finding.words} ({finding.code})")


def _described(one: Verified) -> dict[str, object]:
    findings = [
        {
            "code": finding.code,
            "row": finding.number,
            "last": finding.last or finding.number,
            "words": finding.words,
        }
        for finding in one.findings
    ]
    return {
        "institution": one.chain,
        "rows": one.rows,
        "last": one.number,
        "mark": one.mark,
        "findings": findings,
    }


def _row(row: Entry) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(row)


def _who(row: Entry) -> str:
    return f"{row.actor_name or row.actor_kind}{f' {row.actor_address}' if row.actor_address else ''}"
