"""`penstock tune` beside a full sweep: is what it finds in two minutes as good as what trying everything finds?"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from pathlib import Path

from benchmarks.inputs import ct_slice
from benchmarks.result import Result, Row, Target
from engine.config import load_gateway
from engine.demo import stage
from engine.tuning.proposal import Proposal
from engine.tuning.search import search
from engine.tuning.setting import Setting, axes
from engine.tuning.trial import Bench, Sample

MOST_SECONDS = 120.0
TRIAL_SECONDS = 1.5
CHECK_TIMES = 3


def run(work: Path, rounds: int, objects: int) -> Result:
    """Searches once, then sweeps; `objects` are sent in a trial of the sweep, `rounds` times the finalists."""
    config = load_gateway(stage.build(work / "tuned").folder / "gateway.toml")
    sample = Sample.of([ct_slice(work).path])
    trials = work / "trials"
    trials.mkdir()
    bench = Bench(config, sample, trials, TRIAL_SECONDS)
    steps = axes(len(os.sched_getaffinity(0)))
    began = time.monotonic()
    found = search(bench.measure, Setting.of(config), steps, 0.75 * MOST_SECONDS)
    check = bench.run(found.knee, found.tried.rate(found.knee) * TRIAL_SECONDS * CHECK_TIMES)
    seconds = time.monotonic() - began
    proposal = Proposal(found, sample.mean_bytes, check)

    # Every other connection count and request size: the curve between them is smooth, and a sweep takes long enough.
    grid = itertools.product(
        steps["workers"], steps["receivers"], steps["connections"][1::2], steps["batch_bytes"][1:3]
    )
    swept = {setting: bench.run(setting, objects).rate for setting in (Setting(*one) for one in grid)}
    best = max(swept, key=lambda setting: swept[setting])
    final: dict[Setting, list[float]] = {setting: [] for setting in dict.fromkeys((found.knee, best))}
    for _ in range(rounds):
        for setting, rates in final.items():
            rates.append(bench.run(setting, objects).rate)
    ours, theirs = (
        Row(_name("tune", found.knee), "objects/s", tuple(final[found.knee])),
        Row(_name(f"the best of {len(swept)} swept", best), "objects/s", tuple(final[best])),
    )
    asked = Row("what tune promised", "objects/s", (proposal.predicted,))
    seen = Row("what its check saw", "objects/s", (check.rate,))
    took = Row("how long tune took, its check included", "s", (seconds,), f"{found.tried.count} trials")
    ratio = statistics.median(a / b for a, b in zip(ours.values, theirs.values, strict=True))
    return Result(
        name="tune",
        title="What `penstock tune` finds, beside a full sweep",
        text=(
            f"Each trial of the sweep sends {objects} CT slices through a fresh gateway to a platform on the same machine. Then "
            "the finalists run in turn. The prediction is checked by a run three times as long as a trial."
        ),
        rows=(ours, theirs, asked, seen, took),
        targets=(
            Target("the proposal to the best of the sweep", 0.95, ratio),
            Target("the prediction is off by", 0.2, abs(check.rate / proposal.predicted - 1), most=True),
            Target("seconds for tune", MOST_SECONDS, seconds, "s", most=True),
        ),
    )


def _name(who: str, setting: Setting) -> str:
    return (
        f"{who}: {setting.workers} workers, {setting.receivers} receivers, {setting.connections} × "
        f"{setting.batch_bytes >> 20} MiB"
    )
