"""`penstock where`: what became of a patient's or a study's objects."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.options import config_option
from engine.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from engine.spool.layout import Spool

UNKNOWN = 1


@click.command("where")
@click.argument("word", metavar="HASHED_ID|STUDY")
@config_option
@json_option
def command(word: str, config_file: Path, as_json: bool) -> int:
    """Say what became of the objects of a patient or a study.

    WORD is a hashed ID (penstock hash makes it from a Patient ID), a Study Instance UID as the platform knows
    it, or the UID or id of one object. Of a receipt it tells the kind: what the destination's word is worth, docs/destinations.md
    says. Exit code 1 if the ledger knows nothing of it.
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
        delivered = sum(row.deleted is not None for row in mine)
        click.echo(f"study {study or '(not rewritten)'}: {len(mine):,} objects, {delivered:,} delivered")
        heads = (
            "object",
            "received",
            "rewritten",
            "receipt",
            "kind",
            "destination",
            "deleted",
            "quarantined",
        )
        print_table("", heads, [
            (row.id, *map(_time, (row.received, row.rewritten, row.receipted)), row.receipt or "",
             row.destination or goes.get(row.pass_id or "", ""), _time(row.deleted), row.reason or "")
            for row in mine
        ])  # fmt: skip
    return 0


def _destination(spool: Spool, pass_id: str) -> str:
    """Where an object goes that has no receipt yet; "" when its pass is over."""
    from engine.spool.passfile import destination_of

    return destination_of(spool, pass_id) if spool.folder_of(pass_id).exists() else ""


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
