"""Row 17: hours of ordinary work; do memory and descriptors stay?"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median

from engine.demo import stage
from engine.demo.stage import Stage
from engine.process import resident_bytes
from tests.reliability.book import Measure, Run
from tests.reliability.hospital import Hospital
from tests.support.killing import processes

EVERY = 10.0
STUDIES_A_SECOND = 2.0
STUDY_SECONDS = 60.0
SETTLE_SECONDS = 300.0
WARM_UP = 0.4  # of the run: caches and tables fill up to their bounds first
DAY = 86_400.0
MOST_GROWTH = 0.01
LOOK_BACK = 50  # studies after which what was sent is compared with what arrived


@dataclass(slots=True)
class Trace:
    """What one process held over time: seconds, MB of resident memory, descriptors."""

    seconds: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)
    descriptors: list[float] = field(default_factory=list)

    def grown(self, values: list[float]) -> tuple[float, float]:
        """(part by which the last fifth lies above the first fifth after warming up, slope as a part a day)."""
        start = int(len(values) * WARM_UP)
        times, settled = self.seconds[start:], values[start:]
        fifth = max(len(settled) // 5, 1)
        first, last = median(settled[:fifth]), median(settled[-fifth:])
        slope = linear_regression(times, settled).slope * DAY / first if len(settled) > 2 else 0.0
        return last / first - 1.0, slope


def soak(run: Run) -> None:
    """`run.count` minutes."""
    laid = stage.build(run.work / "stage", gateway={"passes": {"quiet_seconds": 3.0}})
    traces: defaultdict[str, Trace] = defaultdict(Trace)
    with stage.running(laid):
        hospital = Hospital(laid, run, laid.gateway_port)
        began = looked = time.monotonic()
        while (now := time.monotonic()) - began < run.count * 60 and not run.over.is_set():
            sent = hospital.make()
            if not hospital.send(sent, STUDY_SECONDS):
                run.fail(f"study {sent.number} was not taken in {STUDY_SECONDS:.0f} s")
            if now - looked >= EVERY:
                looked = now
                _look(laid, traces, now - began)
            if len(hospital.studies) >= LOOK_BACK:
                hospital.settle(SETTLE_SECONDS)
            time.sleep(max(0.0, 1 / STUDIES_A_SECOND - (time.monotonic() - now)))
        hospital.settle(SETTLE_SECONDS)
        run.must(laid.gateway.running and laid.platform.running, "a process ended")
    run.done = int((time.monotonic() - began) / 60)
    for name, trace in sorted(traces.items()):
        _judge(run, name, trace)


def _look(laid: Stage, traces: dict[str, Trace], at: float) -> None:
    found = processes(laid)
    for role, pids in found.items():
        for number, pid in enumerate(pids):
            trace = traces[f"{role}-{number}" if role == "worker" else role]
            trace.seconds.append(at)
            trace.resident.append(resident_bytes(pid) / 1e6)
            trace.descriptors.append(float(len(os.listdir(Path(f"/proc/{pid}/fd")))))


def _judge(run: Run, name: str, trace: Trace) -> None:
    """A run shorter than a day cannot show 1 % a day: what it can show is that nothing grew by 1 % while it lasted."""
    if len(trace.resident) < 10:
        run.fail(f"{name} was seen {len(trace.resident)} times only: too short a run")
        return
    grown, slope = trace.grown(trace.resident)
    settled = trace.descriptors[int(len(trace.descriptors) * WARM_UP) :]
    fifth = max(len(settled) // 5, 1)
    at_first, at_last = max(settled[:fifth]), median(settled[-fifth:])
    run.figures[f"{name}_MB"] = round(median(trace.resident[-5:]), 1)
    run.figures[f"{name}_growth_%"] = round(grown * 100, 2)
    run.figures[f"{name}_slope_%_a_day"] = round(slope * 100, 1)
    run.figures[f"{name}_descriptors"] = int(trace.descriptors[-1])
    run.must(grown <= MOST_GROWTH, f"{name} grew by {grown:.1%} in the run")
    run.must(at_last <= at_first, f"{name} holds {at_last:.0f} descriptors, at first {at_first:.0f} at most")


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
Two studies a second, each on an association of its own, and all of them compared with what arrived. Every ten seconds each
process's resident memory and open descriptors are read. The first 40 % of the run are warming up; after that the last fifth is
held against the first fifth. A run shorter than a day says what grew while it lasted; its slope, drawn out to a day, is mostly
noise.
""",
)
