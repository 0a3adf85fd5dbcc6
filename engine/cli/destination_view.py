"""What `penstock status` tells of the destinations: how each does, why it waits, which receipts it has given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.cli.output import visible
from engine.config import GatewayConfig
from engine.spool.layout import Spool

Told = dict[str, dict[str, Any]]
"""By the destination's name; `state` is "unknown" for one that the configuration does not have, "" where nothing runs."""


def look(config: GatewayConfig, spool: Spool, receipts: Mapping[str, Mapping[str, int]]) -> Told:
    """The destinations of the configuration, and those that objects in the spool still go to."""
    from engine.config.destinations import kind_of, place_of

    said = _said(spool.run)
    waiting = _waiting(spool)
    told: Told = {}
    for one in config.every_destination():
        now = said.get("destinations", {}).get(one.name, {})
        told[one.name] = {
            "kind": kind_of(one),
            "place": place_of(one),
            "state": now.get("state", ""),
            "error": now.get("error"),
            "waiting": waiting.pop(one.name, 0),
            "receipts": dict(receipts.get(one.name, {})),
        }
    for name, count in waiting.items():
        told[name] = {"state": "unknown", "waiting": count, "receipts": dict(receipts.get(name, {}))}
    return told


def lines(told: Told) -> Iterator[str]:
    """The same for people."""
    for name, one in told.items():
        given = ", ".join(
            f"{count:,} {kind or 'of a former version'}" for kind, count in one["receipts"].items()
        )
        receipts = f"; receipts ever: {given}" if given else ""
        if one["state"] == "unknown":
            yield (
                f"{visible(name)}: {one['waiting']:,} objects wait for this destination, which the configuration "
                f"does not have: add a [[destination]] of that name{receipts}"
            )
            continue
        state = f", {one['state']}" if one["state"] else ""
        yield f"{name} ({one['kind']}, {visible(one['place'])}){state}: {one['waiting']:,} objects wait{receipts}"
        if one["error"]:
            yield f"  {visible(str(one['error']['message']))}; {visible(str(one['error'].get('hint', '')))}"


def _said(run: Path) -> dict[str, Any]:
    """What the uploader says of itself; nothing while none runs."""
    import orjson

    try:
        return dict(orjson.loads((run / "uploader.json").read_bytes()))
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}


def _waiting(spool: Spool) -> Counter[str]:
    """How many objects in passes are not delivered yet, by destination."""
    from engine.spool import states
    from engine.spool.passfile import destination_of

    found: Counter[str] = Counter()
    for pass_id in states.passes(spool):
        originals = states.files(spool.folder_of(pass_id) / "in", ".dcm")
        if originals:
            found[destination_of(spool, pass_id)] += len(originals)
    return found
