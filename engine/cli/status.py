"""`penstock status`: what the gateway is doing, and what waits in its spool."""

from __future__ import annotations

import time
from pathlib import Path

import click

from engine.cli import destination_view
from engine.cli.options import config_option
from engine.cli.output import json_option, print_json, print_table, say, visible

RATE_SECONDS = 0.5
WORDS = {
    "receiving": "being received",
    "received": "received, not in a pass yet",
    "admitted": "in a pass, to be rewritten",
    "ready": "rewritten, to be uploaded",
    "quarantined": "in quarantine",
    "leftover": "delivered, being deleted",
}


@click.command("status")
@config_option
@json_option
def command(config_file: Path, as_json: bool) -> int:
    """Say what a gateway is doing, and what waits in its spool. It need not be running.

    With --json everything is told: under `now` what `penstock top` shows (rates over half a second), under `metrics` every
    number of the metrics page.
    """
    import msgspec

    from engine.config import load_gateway
    from engine.keeper import notice
    from engine.metrics.reading import Snapshot
    from engine.spool import inventory
    from engine.spool.layout import Spool
    from engine.spool.ledger import Ledger
    from engine.supervisor.notes import notes
    from engine.supervisor.view import view

    config = load_gateway(config_file)
    spool = Spool.open(config.spool.path, create=False)
    before = Snapshot.take(spool.run)
    running = inventory.is_running(spool)
    if running:
        time.sleep(RATE_SECONDS)
    after = Snapshot.take(spool.run)
    seen = view(config.gateway.name, before, after, running=running, notes=notes(spool.run))
    found = inventory.take(spool)
    totals: dict[str, int] = {}
    receipts: dict[str, dict[str, int]] = {}
    if spool.ledger.exists():
        with Ledger.open(spool.ledger, read_only=True) as ledger:
            totals, receipts = ledger.totals(), ledger.receipts()
    destinations = destination_view.look(config, spool, receipts)
    told: dict[str, object] = {
        "running": running,
        "now": seen.document(),
        "spool": {
            "path": str(spool.root),
            "bytes": found.total_bytes,
            "max_bytes": config.spool.max_bytes,
            "free_bytes": spool.free_bytes(),
            "objects": {str(state): count for state, count in found.objects.items()},
        },
        "passes": {"open": found.passes_open, "sealed": found.passes_sealed},
        "quarantine": dict(found.reasons),
        "destinations": destinations,
        "ever": totals,
        "metrics": dict(after.values),
    }
    kept = notice.read(spool.run) if running and config.enrolment is not None else None
    if kept is not None:
        told["enrolment"] = {**msgspec.to_builtins(kept), "sentence": kept.sentence}
    if as_json:
        print_json(told)
        return 0
    say(f"the gateway is {'running: ' + seen.limit.words if running else 'not running'}", indent=2)
    if running and seen.limit.advice:
        say(f"  {seen.limit.advice}", indent=2)
    if kept is not None:
        click.echo(
            f"enrolled as {kept.gateway} of {kept.institution}, epoch {kept.epoch}: it {visible(kept.sentence)}"
        )
        if kept.trouble is not None and kept.trouble.hint:
            click.echo(f"  {visible(kept.trouble.hint)}")
    share = found.total_bytes / config.spool.max_bytes
    click.echo(f"spool {spool.root}: {found.total_bytes:,} of {config.spool.max_bytes:,} bytes ({share:.0%})")
    click.echo(f"passes: {found.passes_open:,} open, {found.passes_sealed:,} waiting for receipts")
    rows = [
        (word, found.objects[state], found.bytes[state])
        for state, word in ((state, WORDS.get(state, state)) for state in found.objects)
    ]
    if rows:
        print_table("", ("objects", "number", "bytes"), sorted(rows))
    for line in destination_view.lines(destinations):
        say(line, indent=2)
    for code, count in found.reasons.most_common():
        click.echo(f"quarantined as {code}: {count:,}")
    if totals:
        say("ever: " + ", ".join(f"{count:,} {step}" for step, count in totals.items()), indent=2)
    return 0
