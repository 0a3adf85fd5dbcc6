"""The ledger knows of every object that was delivered, also when the coordinator died before it could tell of it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from engine.errors import SpoolError
from engine.pseudonymize import sidecar
from engine.spool.ledger import Ledger, Row
from engine.spool.release import Receipt
from engine.uploader.outgoing import Key
from engine.uploader.settling import Settling
from tests.support.uploading import ReadySpool

RECEIPT = Receipt("00" * 32, 2000)
EARLIER = 1_700_000_000.0


@pytest.fixture
def ready(tmp_path: Path) -> ReadySpool:
    return ReadySpool(tmp_path / "spool")


def released(ready: ReadySpool, identifiers: list[str]) -> dict[str, Row]:
    """The ledger's rows after a request with these objects had its receipts."""

    async def settle() -> None:
        settling = Settling(ready.spool, 1 << 30)
        await settling.start()
        try:
            delivered = [(Key(ready.pass_id, identifier), RECEIPT) for identifier in identifiers]
            await settling.release(delivered, EARLIER + 100)
        finally:
            await settling.stop()

    asyncio.run(settle())
    with Ledger.open(ready.spool.ledger) as ledger:
        return {row.id: row for row in ledger.find(ready.pass_id)}


def test_what_no_coordinator_told_is_told_from_the_files_before_they_go(ready: ReadySpool) -> None:
    identifiers = [ready.add(number) for number in range(3)]
    original, plan = (way(ready.pass_id, identifiers[0]) for way in (ready.spool.original, ready.spool.plan))
    size = original.stat().st_size
    names = sidecar.decode(plan.read_bytes()).plan
    os.utime(original, (EARLIER, EARLIER))
    os.utime(plan, (EARLIER + 1, EARLIER + 1))
    rows = released(ready, identifiers)
    assert len(rows) == 3
    assert all(row.received and row.rewritten and row.receipted and row.deleted for row in rows.values())
    row = rows[identifiers[0]]
    assert (row.received, row.rewritten, row.uploaded) == (EARLIER, EARLIER + 1, EARLIER + 100)
    assert (row.bytes_received, row.bytes_sent) == (size, 2000)
    assert (row.hashed_id, row.study, row.series, row.sop, row.sop_class) == (
        names.hashed_id,
        names.study_instance_uid,
        names.series_instance_uid,
        names.sop_instance_uid,
        names.sop_class_uid,
    )
    assert not original.exists() and not plan.exists()


def test_what_the_coordinator_told_stands(ready: ReadySpool) -> None:
    identifier = ready.add(1)
    with Ledger.open(ready.spool.ledger) as ledger:
        ledger.note("received", identifier, at=5.0, bytes_received=7)
        ledger.note("rewritten", identifier, at=6.0, pass_id=ready.pass_id, hashed_id="told")
    row = released(ready, [identifier])[identifier]
    assert (row.received, row.rewritten, row.bytes_received, row.hashed_id) == (5.0, 6.0, 7, "told")


def test_a_ledger_that_cannot_be_read_holds_nobody_up(
    ready: ReadySpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> set[str]:
        raise SpoolError("ledger-unusable", "a full disk", retryable=True)

    identifier = ready.add(1)
    monkeypatch.setattr(Ledger, "not_rewritten", cannot)
    row = released(ready, [identifier])[identifier]
    assert row.deleted is not None and row.rewritten is None
    assert not ready.spool.original(ready.pass_id, identifier).exists()


def test_of_thousands_of_objects_those_are_found_that_nobody_told_of(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        for number in range(1500):
            ledger.note("rewritten" if number % 3 else "received", f"{number}")
        ledger.flush()
        asked = [f"{number}" for number in range(1600)]
        assert ledger.not_rewritten(asked) == {one for one in asked if int(one) >= 1500 or int(one) % 3 == 0}
        assert ledger.not_rewritten([]) == set()
