"""Row 17: as many studies as a day has, one after another as fast as they go; does what a study leaves in memory add up?"""

from __future__ import annotations

from engine.demo import stage
from tests.reliability.book import Measure, Run
from tests.reliability.feeding import Feeder
from tests.reliability.traces import Traces

A_DAY = 172_800  # studies: two a second
FILLING = 30_000  # studies: every table of the gateway has reached its bound by then
EVERY = 500
SETTLE_SECONDS = 300.0


def day(run: Run) -> None:
    """`run.count` studies. Memory is read from `FILLING` on, every `EVERY` studies."""
    laid = stage.build(
        run.work / "stage", gateway={"passes": {"quiet_seconds": 1.0}, "log": {"level": "warning"}}
    )
    traces = Traces(laid)
    seen = 0

    def look(sent: int) -> None:
        nonlocal seen
        if sent >= seen:
            seen = sent - sent % EVERY + EVERY
            traces.look(float(sent))

    with stage.running(laid):
        feeder = Feeder(laid, run)
        feeder.feed(run.count, look)
        feeder.settle(SETTLE_SECONDS)
        run.must(laid.gateway.running and laid.platform.running, "a process ended")
    run.done = feeder.sent
    traces.judge(run, float(FILLING), float(A_DAY))


MEASURE = Measure(
    name="day",
    row="17",
    what="as many studies as two a second are in a day, as fast as they go",
    goal="no process's resident memory or descriptors grow by more than 1 %, from the 30,000th study to the last",
    unit="studies",
    full=A_DAY + FILLING,
    few=0,
    do=day,
    note="""
One tiny object a study, each of another patient and on an association of its own, as fast as the gateway delivers them: what a
study leaves behind in memory adds up as in a day, in less than an hour. The first 30,000 studies fill the tables that have a
bound: 10,000 studies whose pass was sealed in the coordinator, 1,024 identities and values in each worker, 2 × 4 MB of the
ledger's pages. From then on memory is read every 500 studies, and the last fifth held against the first fifth. `--work` on a
tmpfs spares the waiting for the disk, of which memory knows nothing.
What a process still takes then are arenas: Python asks the system for 1 MiB at a time, 1.4 to 3.5 % of one of these processes,
and gives it back when nothing at all is left in it. What is alive in them does not grow: asked with a debugger at the 31,000th
and at the 109,000th study (seed 5), Python had 100,875 and 99,882 blocks in the supervisor, 160,538 and 158,879 in the uploader,
210,573 and 209,646 in the coordinator, 323,610 with 32 and 325,619 with 58 associations open in the receiver, 201,410 and 205,207
in one worker, 205,548 and 205,690 in the other. Up to seed 4 the C library's heap stayed as large as it ever was for a moment: of
the supervisor's 11.6 MB 6.1 were free; since then each process gives such memory back once a minute (`engine/allocator.py`).
""",
)
