"""Row 17: hours of ordinary work; do memory and descriptors stay?"""

from __future__ import annotations

import time

from engine.demo import stage
from tests.reliability.book import Measure, Run
from tests.reliability.day import FILLING
from tests.reliability.feeding import Feeder
from tests.reliability.hospital import Hospital
from tests.reliability.traces import Traces

EVERY = 10.0
STUDIES_A_SECOND = 2.0
STUDY_SECONDS = 60.0
SETTLE_SECONDS = 300.0
CALM_SECONDS = 300.0  # after the filling
DAY = 86_400.0
LOOK_BACK = 50  # studies after which what was sent is compared with what arrived


def soak(run: Run) -> None:
    """`run.count` minutes, after the tables were filled."""
    laid = stage.build(run.work / "stage", gateway={"passes": {"quiet_seconds": 3.0}})
    traces = Traces(laid)
    with stage.running(laid):
        feeder = Feeder(laid, run)
        feeder.feed(FILLING, lambda _: None)
        feeder.settle(SETTLE_SECONDS)
        run.figures["studies_before"] = feeder.sent
        hospital = Hospital(laid, run, laid.gateway_port)
        began = looked = time.monotonic()
        while (now := time.monotonic()) - began < run.count * 60 and not run.over.is_set():
            sent = hospital.make()
            if not hospital.send(sent, STUDY_SECONDS):
                run.fail(f"study {sent.number} was not taken in {STUDY_SECONDS:.0f} s")
            if now - looked >= EVERY:
                looked = now
                traces.look(now - began)
            if len(hospital.studies) >= LOOK_BACK:
                hospital.settle(SETTLE_SECONDS)
            time.sleep(max(0.0, 1 / STUDIES_A_SECOND - (time.monotonic() - now)))
        hospital.settle(SETTLE_SECONDS)
        run.must(laid.gateway.running and laid.platform.running, "a process ended")
    run.done = int((time.monotonic() - began) / 60)
    traces.judge(run, CALM_SECONDS, DAY)


MEASURE = Measure(
    name="soak",
    row="17",
    what="hours of ordinary work",
    goal="resident memory and descriptors grow by ≤ 1 % a day",
    unit="minutes",
    full=1440,
    few=0,
    do=soak,
    note="""
First 30,000 tiny studies as fast as they go, which fill the tables that have a bound, as in the measure "day"; without them the
tables fill for hours at two studies a second, and what is measured is that. Then two studies a second, each on an association of
its own, and all of them compared with what arrived. Every ten seconds each process's resident memory and open descriptors are
read; from the fifth minute on the last fifth is held against the first fifth. A run shorter than a day says what grew while it
lasted; its slope, drawn out to a day, is mostly noise. "Day" says what a day's studies leave behind, this one what time does.
""",
)
