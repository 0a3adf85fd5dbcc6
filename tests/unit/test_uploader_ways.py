"""Objects find their destinations: by hints and scans, without one destination hiding another's; a fault ends nobody's work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.config import FolderDestination
from engine.spool.hints import HintInbox
from engine.spool.layout import Spool
from engine.spool.passfile import Study, destination_of, destroy_key, discard, make
from engine.spool.release import ReceiptKind
from engine.uploader.backlog import scan
from engine.uploader.carrier import Load, Reply
from engine.uploader.courier import Courier, Work
from engine.uploader.main import Ways
from engine.uploader.notice import Board, Notice
from engine.uploader.outgoing import OutgoingObject
from engine.uploader.settling import Settling
from tests.support.uploading import ReadySpool

PASS = "0123456789abcdef" * 2


class Faulty:
    """A destination whose code has a fault."""

    receipt = ReceiptKind.FILE
    load = Load(1, 1, 1)

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, objects: Sequence[OutgoingObject]) -> Reply:
        self.asked += 1
        raise RuntimeError("a value that must not be told: DOE^JANE")

    def renew(self) -> None:
        raise AssertionError("nothing has changed")

    async def close(self) -> None:
        raise AssertionError("nobody asked")


def spools(root: Path, names: Sequence[str], objects: int) -> dict[str, ReadySpool]:
    """One pass for each destination, in one spool."""
    made = {}
    for name in names:
        made[name] = ReadySpool(root)
        made[name].spool.destination(made[name].pass_id).write_text(name)
        for number in range(objects):
            made[name].add(number)
    return made


def work_for(spool: Spool, name: str, board: Board, carrier: Faulty, folder: Path) -> Work:
    destination = FolderDestination(name=name, path=folder)
    return Work(destination, spool, carrier, Settling(spool, 1 << 40), Notice(board, name, "folder", 1))


def test_a_scan_is_bounded_for_each_destination_by_itself(tmp_path: Path) -> None:
    made = spools(tmp_path / "spool", ["down", "export"], 6)
    found = scan(made["down"].spool, most=4)
    assert {name: len(keys) for name, keys in found.items()} == {"down": 4, "export": 4}
    assert {key.pass_id for key in found["export"]} == {made["export"].pass_id}


def test_a_pass_made_for_a_destination_says_so_until_its_last_object_is_gone(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path / "spool")
    make(spool, PASS, Study("1.2.3", "p", "k", 1.0, "default", "export"))
    assert destination_of(spool, PASS) == "export"
    destroy_key(spool, PASS)
    spool.original(PASS, "x").write_bytes(b"waits")
    assert not discard(spool, PASS) and destination_of(spool, PASS) == "export"
    spool.original(PASS, "x").unlink()
    assert discard(spool, PASS) and not spool.folder_of(PASS).exists()


def test_a_pass_without_a_word_goes_to_the_platform(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path / "spool")
    make(spool, PASS, Study("1.2.3", "p", "k", 1.0, "default"))
    assert destination_of(spool, PASS) == "platform" and not spool.destination(PASS).exists()


def test_hints_and_scans_lead_to_the_same_backlogs_and_unknown_ones_are_counted(tmp_path: Path) -> None:
    made = spools(tmp_path / "spool", ["export", "gone", "b\N{LATIN SMALL LETTER A WITH DIAERESIS}d/x"], 2)
    spool = made["export"].spool

    async def run() -> tuple[int, int, dict[str, int]]:
        board = Board(spool.run)
        work = work_for(spool, "export", board, Faulty(), tmp_path)
        ways = Ways(spool, {"export": work}, board)
        with HintInbox(spool.run, "uploader") as inbox:
            made["export"].hint(*made["export"].sent)
            made["gone"].hint(*made["gone"].sent)
            ways.hinted([*inbox.receive(), "nonsense", "../../x/y"])
        hinted = len(work.backlog)
        await ways._scan()
        told = json.loads((spool.run / "uploader.json").read_bytes())["unknown"]
        board.close()
        return hinted, len(work.backlog), told

    hinted, scanned, told = asyncio.run(run())
    assert (hinted, scanned) == (2, 2)
    assert told == {"gone": 2, "(damaged)": 2}


def test_a_fault_of_ours_with_one_destination_is_waited_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = spools(tmp_path / "spool", ["export"], 1)["export"]

    async def run() -> tuple[int, int]:
        board, carrier = Board(made.spool.run), Faulty()
        work = work_for(made.spool, "export", board, carrier, tmp_path)
        work.backlog.offer(scan(made.spool)["export"])
        courier = Courier(work)
        running = asyncio.create_task(courier.run())
        while not carrier.asked or courier.busy:
            await asyncio.sleep(0)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        left = len(work.backlog)
        board.close()
        return carrier.asked, left

    assert asyncio.run(run()) == (1, 1)
    assert len(made.left()) == 2 and not made.quarantined()
    assert "DOE" not in capsys.readouterr().err
