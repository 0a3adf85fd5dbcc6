"""The uploader against a real platform: everything arrives once, nothing goes before its receipt."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3

from engine.spool.ledger import Ledger
from tests.support.platform_process import Pki, PlatformProcess
from tests.support.uploading import (
    CANARY,
    ReadySpool,
    UploaderProcess,
    all_delivered,
    arrived,
    expected,
    until,
)

pytest_plugins = ("tests.support.stow_fixtures",)


def test_what_is_ready_at_the_start_is_sent_and_then_deleted(
    uploader: UploaderProcess, shared: PlatformProcess, ready: ReadySpool
) -> None:
    for number in range(40):
        ready.add(number, size=3000 + 1111 * number)
    uploader.start()
    all_delivered(shared, ready)
    assert uploader.stop() == 0
    with Ledger.open(ready.spool.ledger, read_only=True) as ledger:
        totals = ledger.totals()
        assert totals["uploaded"] == totals["receipted"] == totals["deleted"] == 40
        [row] = ledger.find(next(iter(ready.sent)))
        assert row.uploaded is not None
        assert row.receipted is not None
        assert row.uploaded <= row.receipted
        assert row.digest == blake3(ready.sent[row.id]).hexdigest()


def test_a_hint_is_enough_and_a_lost_one_is_made_up_for(
    uploader: UploaderProcess, shared: PlatformProcess, ready: ReadySpool
) -> None:
    uploader.start()
    until(lambda: uploader.events("ready"))
    ready.add(1)
    ready.hint(ready.add(2))
    all_delivered(shared, ready)
    ready.add(3)
    all_delivered(shared, ready)


def test_an_object_of_many_chunks_arrives_as_its_plan_says(
    uploader: UploaderProcess, shared: PlatformProcess, ready: ReadySpool
) -> None:
    ready.add(1, size=9_000_000)
    ready.add(2, size=262_144)
    uploader.start()
    all_delivered(shared, ready)
    fetched = shared.get(f"/penstock/v1/studies/{ready.study}/instances/{ready.uid(1)}")[1]
    assert fetched in ready.sent.values()
    assert CANARY not in fetched


def test_a_platform_that_is_away_is_waited_for(
    to_fragile: UploaderProcess, fragile: PlatformProcess, ready: ReadySpool
) -> None:
    fragile.stop()
    for number in range(5):
        ready.add(number)
    to_fragile.start()
    until(to_fragile.codes)
    assert to_fragile.codes() == ["platform-unreachable"]
    told = json.loads((ready.spool.run / "uploader.json").read_bytes())
    assert told["state"] == told["destinations"]["platform"]["state"] == "waiting"
    assert told["destinations"]["platform"]["error"]["code"] == "platform-unreachable"
    assert told["destinations"]["platform"]["error"]["hint"]
    fragile.start()
    all_delivered(fragile, ready)
    until(lambda: json.loads((ready.spool.run / "uploader.json").read_bytes())["state"] == "sending")


def test_a_platform_killed_in_the_middle_loses_and_doubles_nothing(
    to_fragile: UploaderProcess, fragile: PlatformProcess, ready: ReadySpool
) -> None:
    for number in range(60):
        ready.add(number, size=400_000)
    to_fragile.start()

    def fewer(before: int) -> bool:
        return len(ready.left()) < max(before - 4, 1)

    for _ in range(3):
        before = len(ready.left())
        until(functools.partial(fewer, before))
        fragile.stop(signal.SIGKILL)
        fragile.start()
    all_delivered(fragile, ready)


@pytest.mark.parametrize(
    "point", ["sent-before-receipt", "receipt-before-delete", "original-deleted-before-plan"]
)
def test_an_uploader_killed_at_a_named_point_loses_and_doubles_nothing(
    uploader: UploaderProcess,
    shared: PlatformProcess,
    ready: ReadySpool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    for number in range(6):
        ready.add(number)
    monkeypatch.setenv("PENSTOCK_KILL_POINT", f"{point}:{tmp_path / 'mark'}")
    uploader.start()
    until((tmp_path / "mark").exists, point)
    assert uploader.stop() == -signal.SIGKILL
    originals = {path.stem for path in (ready.spool.folder_of(ready.pass_id) / "in").iterdir()}
    digests = set(arrived(shared, ready).values())
    for identifier in ready.sent.keys() - originals:
        assert blake3(ready.sent[identifier]).hexdigest() in digests
    uploader.start()
    until(lambda: not list((ready.spool.folder_of(ready.pass_id) / "in").iterdir()), "deleted originals")
    assert set(arrived(shared, ready).values()) == expected(ready)
    assert len(shared.stored_files()) == shared.listed_objects()


def test_an_object_that_the_platform_refuses_for_good_is_quarantined_and_holds_up_nobody(
    uploader: UploaderProcess, shared: PlatformProcess, ready: ReadySpool
) -> None:
    assert shared.store([ready.output(3, size=4000)])[0] == 200
    names = {number: ready.add(number) for number in range(8)}
    uploader.start()
    until(lambda: not ready.left())
    assert {name: why["code"] for name, why in ready.quarantined().items()} == {names[3]: "other-digest"}
    assert ready.quarantined()[names[3]]["hint"]
    assert (ready.spool.quarantine / f"{names[3]}.dcm").read_bytes().startswith(CANARY)
    assert len(arrived(shared, ready)) == 8


def test_a_damaged_plan_is_removed_to_be_made_again(
    uploader: UploaderProcess, shared: PlatformProcess, ready: ReadySpool
) -> None:
    damaged, good = ready.add(1), ready.add(2)
    plan = ready.spool.plan(ready.pass_id, damaged)
    content = bytearray(plan.read_bytes())
    content[-50] ^= 1
    plan.write_bytes(content)
    uploader.start()
    until(lambda: ready.left() == [f"{damaged}.dcm"])
    assert list(arrived(shared, ready)) == [ready.uid(2)]
    assert good in ready.sent


@pytest.mark.parametrize("change", ["shorter", "longer", "other-body", "head-in-place-of-the-body"])
def test_an_original_that_is_not_its_plans_is_quarantined_and_not_a_byte_is_sent(
    uploader: UploaderProcess, shared: PlatformProcess, ready: ReadySpool, change: str
) -> None:
    wrong = ready.add(1)
    ready.add(2)
    path = ready.spool.original(ready.pass_id, wrong)
    content = path.read_bytes()
    path.write_bytes(
        {
            "shorter": content[:-1],
            "longer": content + b"x",
            "other-body": content[:302] + b"y" + content[303:],
            "head-in-place-of-the-body": (CANARY * 1000)[: len(content)],
        }[change]
    )
    uploader.start()
    until(lambda: not ready.left())
    assert {name: why["code"] for name, why in ready.quarantined().items()} == {wrong: "source-changed"}
    assert list(arrived(shared, ready)) == [ready.uid(2)]


def test_a_full_platform_is_waited_for(tmp_path: Path, pki: Pki, ready: ReadySpool) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", str(small)], check=True)
    try:
        platform = PlatformProcess(tmp_path / "platform", pki, storage=small / "storage").start()
        for number in range(10):
            ready.add(number, size=700_000)
        uploader = UploaderProcess(tmp_path / "gateway", ready, pki, platform.url).start()
        until(lambda: "platform-busy" in uploader.codes(), "a full platform")
        subprocess.run(["mount", "-o", "remount,size=60m", str(small)], check=True)
        all_delivered(platform, ready)
        assert uploader.stop() == 0
        platform.stop()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_no_log_line_holds_a_uid_or_a_name(
    uploader: UploaderProcess, shared: PlatformProcess, ready: ReadySpool
) -> None:
    shared.store([ready.output(3, size=4000)])
    for number in range(6):
        ready.add(number)
    uploader.start()
    until(lambda: not ready.left())
    assert uploader.stop() == 0
    said = json.dumps(uploader.lines + shared.lines)
    assert uploader.events("object-quarantined")
    for secret in (CANARY.decode(), ready.study, ready.uid(0)[:15], "a" * 32, "Hospital"):
        assert secret not in said
