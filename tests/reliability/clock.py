"""Row 6: the wall clock jumps by a day, forwards and backwards, while studies travel."""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from engine.demo import stage
from engine.demo.stage import CALLED, CALLING, HOST
from engine.dicom import sample
from engine.scu.association import Association, Target
from engine.sender.source import read_source
from engine.spool.layout import Spool
from engine.spool.states import passes
from tests.reliability.book import Measure, Run
from tests.reliability.hospital import Hospital, store

SOURCE = Path(__file__).resolve().parents[1] / "support" / "clock.c"
DAY = 86_400
QUIET = 8.0
SETTLE_SECONDS = 120.0
STUDY_SECONDS = 60.0
LOOK_SECONDS = 4.0  # the coordinator looks whether a pass is quiet every second
SHAPE = sample.Shape(slices=3, size=32)
OPEN, RELEASED = "association_open", "released"


class WallClock:
    """What the gateway's processes take for the time: the real one and `shift` seconds."""

    def __init__(self, folder: Path) -> None:
        self.library = folder / "clock.so"
        self.file = folder / "clock"
        command = ["gcc", "-O1", "-shared", "-fPIC", "-o", str(self.library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, capture_output=True)
        self.file.write_bytes(bytes(8))
        with self.file.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 8)

    def shift(self, seconds: int) -> None:
        struct.pack_into("=q", self._shared, 0, seconds)

    @contextlib.contextmanager
    def worn(self) -> Iterator[None]:
        """Processes that are started inside this have it."""
        os.environ |= {"LD_PRELOAD": str(self.library), "PENSTOCK_TEST_CLOCK": str(self.file)}
        try:
            yield
        finally:
            del os.environ["LD_PRELOAD"], os.environ["PENSTOCK_TEST_CLOCK"]

    def works(self) -> bool:
        """Whether a process that wears it believes it."""
        self.shift(DAY)
        with self.worn():
            told = subprocess.run(["date", "+%s"], check=True, capture_output=True, text=True)
        self.shift(0)
        return int(told.stdout) - time.time() > DAY / 2


def jumps(run: Run) -> None:
    """`run.count` jumps, each amid a study: in an open association, or between two of them."""
    clock = WallClock(run.work)
    run.must(clock.works(), "processes do not see the clock that the test gives them")
    laid = stage.build(run.work / "stage", gateway={"passes": {"quiet_seconds": QUIET}})
    chance = random.Random(run.seed)
    try:
        laid.start_platform()
        with clock.worn():
            laid.start_gateway()
        hospital = Hospital(laid, run, laid.gateway_port, SHAPE)
        while run.done < run.count and not run.over.is_set():
            _one(run, hospital, clock, chance.choice((DAY, -DAY)), chance.choice((OPEN, RELEASED)))
            run.done += 1
        hospital.settle(SETTLE_SECONDS)
        run.must(laid.gateway.stop() == 0, "the gateway did not end in order")
    finally:
        laid.gateway.kill()
        laid.platform.kill()


def _one(run: Run, hospital: Hospital, clock: WallClock, by: int, amid: str) -> None:
    """The pass of a half-sent study has to be open `LOOK_SECONDS` after the jump, which is less than its quiet time."""
    spool = Spool.open(hospital.stage.spool, create=False)
    before = set(_open(spool))
    sent = hospital.make()
    sources = [read_source(path) for path in sent.paths]
    pairs = sorted({(one.sop_class_uid, one.transfer_syntax_uid) for one in sources})
    association = Association(Target(HOST, hospital.port, CALLED, CALLING), pairs)
    for index in range(2):
        if store(association, sources[index]) == 0:
            sent.acknowledged.add(index)
    if amid == RELEASED:
        association.release()
    mine = _await_pass(spool, before)
    clock.shift(by)
    time.sleep(LOOK_SECONDS)
    run.add(f"{amid}_{'forwards' if by > 0 else 'backwards'}")
    run.must(mine in _open(spool), f"a pass was sealed early: {amid}, by {by:+} s")
    if amid == OPEN:
        association.release()
    clock.shift(0)
    if not hospital.send(sent, STUDY_SECONDS):
        run.fail(f"study {sent.number} was not taken")


def _open(spool: Spool) -> list[str]:
    return [one for one in passes(spool) if spool.key(one).exists()]


def _await_pass(spool: Spool, before: set[str]) -> str:
    until = time.monotonic() + STUDY_SECONDS
    while not (fresh := set(_open(spool)) - before):
        if time.monotonic() > until:
            return ""
        time.sleep(0.005)
    return fresh.pop()


MEASURE = Measure(
    name="clock",
    row="6",
    what="jumps of the wall clock by a day, forwards and backwards",
    goal="0 passes sealed early, 0 studies split",
    unit="jumps",
    full=200,
    few=2,
    do=jumps,
    note="""
A preloaded library (`tests/support/clock.c`) gives the gateway's processes another wall clock, which jumps when half of a study
is there: in an open association, or after its release and before the rest comes. Half of the quiet time later the pass must
still be open, and in the end every study must be one. Passes, deadlines and waits are measured by the monotonic clock.
""",
)
