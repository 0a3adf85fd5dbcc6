"""`penstock where`: what became of a patient's or a study's objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import config_option
from engine.cli.output import json_option, print_json, visible
from engine.cli.times import MICRO, second

if TYPE_CHECKING:
    from engine.spool.layout import Spool
    from engine.spool.ledger import Row

UNKNOWN = 1


@click.command("where")
@click.argument("word", metavar="WORD")
@config_option
@json_option
def command(word: str, config_file: Path, as_json: bool) -> int:
    """Say what became of the objects of a patient or a study.

    WORD is a hashed ID (penstock hash makes it from a Patient ID), a Study Instance UID as the platform knows it,
    or the UID or id of one object. Of a receipt it tells the kind: what the destination's word is worth,
    docs/destinations.md says. Exit code 1 if the ledger knows nothing of it.
    """
    from engine.config import load_gateway
    from engine.errors import ConfigError
    from engine.spool.layout import Spool
    from engine.spool.ledger import Ledger

    config = load_gateway(config_file)
    spool = Spool.open(config.spool.path, create=False)
    with Ledger.open(spool.ledger, read_only=True) as ledger:
        rows = ledger.find(word)
    goes = {pass_id: _destination(spool, pass_id) for pass_id in {row.pass_id for row in rows if row.pass_id}}
    if as_json:
        print_json(
            {
                "word": word,
                "objects": [
                    {"destination": goes.get(row.pass_id or "", ""), **row.described()} for row in rows
                ],
            }
        )
        return 0 if rows else UNKNOWN
    if not rows:
        raise ConfigError(
            "not-in-ledger",
            "the ledger knows nothing under that word",
            hint="give a hashed ID (penstock hash ID) or a Study Instance UID as the platform shows it",
        )
    for study in dict.fromkeys(row.study for row in rows):
        mine = [row for row in rows if row.study == study]
        for line in _lines(study or "", mine, goes):
            click.echo(line)
    return 0


def _destination(spool: Spool, pass_id: str) -> str:
    """Where an object goes that has no receipt yet; "" when its pass is over."""
    from engine.spool.passfile import destination_of

    return destination_of(spool, pass_id) if spool.folder_of(pass_id).exists() else ""


def _lines(study: str, rows: list[Row], goes: dict[str, str]) -> Iterator[str]:
    """A study: how much arrived when, over which pass, and then object by object. 80 columns."""
    delivered = sum(row.deleted is not None for row in rows)
    yield f"study {study or '(not rewritten)'}: {len(rows):,} objects, {delivered:,} delivered"
    for pass_id in dict.fromkeys(row.pass_id for row in rows):
        times = sorted(row.received for row in rows if row.pass_id == pass_id and row.received is not None)
        if pass_id and times:
            first, last = second(round(times[0] * MICRO)), second(round(times[-1] * MICRO))
            yield f"  pass {pass_id}: {len(times):,} received from {first}"
            yield f"  {'':{len(pass_id) + 5}}  to {last} UTC"
    yield f"{'object':<26}{'received':<9}{'rewritten':<10}{'receipt':<9}{'deleted':<9}went to"
    for row in rows:
        to = row.destination or goes.get(row.pass_id or "", "")
        end = f"{to} ({row.receipt})" if row.receipt else to
        if row.quarantined is not None:
            end = f"quarantine: {row.reason or 'unknown'}"
        at = f"{_clock(row.received):<9}{_clock(row.rewritten):<10}{_clock(row.receipted):<9}{_clock(row.deleted):<9}"
        yield visible(f"{row.id:<26}{at}{end}")


def _clock(seconds: float | None) -> str:
    return second(round(seconds * MICRO))[11:] if seconds is not None else "-"
