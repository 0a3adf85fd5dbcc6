"""Row 4: the platform is away for a long time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from engine.demo import stage
from engine.spool import inventory
from engine.spool.layout import Spool
from engine.spool.states import State
from tests.reliability.book import Measure, Run
from tests.reliability.hospital import Hospital

STUDIES_A_SECOND = 3.0
STUDY_SECONDS = 60.0
DRAIN_SECONDS = 600.0
MOST_OF_IDEAL = 1.2
FEWEST = 200  # objects; with less the clock's grain is what one measures
GRAIN = 1.0  # seconds


@dataclass(slots=True)
class Drain:
    """How the outbox emptied: pairs of (seconds since the platform came back, objects left)."""

    seen: list[tuple[float, int]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.seen[-1][0]

    @property
    def ideal(self) -> float:
        """At the rate of its middle part: from four fifths of the objects to one fifth."""
        whole = self.seen[0][1]
        first = next(at for at, left in self.seen if left <= whole * 0.8)
        last = next(at for at, left in self.seen if left <= whole * 0.2)
        return (last - first) / 0.6


def outage(run: Run) -> None:
    """The platform is killed and stays away for `run.count` seconds; studies come in all the time."""
    laid = stage.build(run.work / "stage", gateway={"passes": {"quiet_seconds": 8.0}})
    try:
        laid.start_platform()
        laid.start_gateway()
        hospital = Hospital(laid, run, laid.gateway_port)
        before = _ingest(run, hospital, 5.0)
        laid.platform.kill()
        began = time.monotonic()
        during = _ingest(run, hospital, float(run.count))
        run.done = min(int(time.monotonic() - began), run.count)
        waiting = _waiting(hospital)
        run.figures |= {
            "waiting_objects": waiting,
            "study_median_s_before": before,
            "study_median_s_during": during,
        }
        run.must(
            not any(key.startswith("answers_") and key != "answers_0000" for key in run.figures),
            "an object was refused",
        )
        laid.start_platform()
        drain = _drain(run, hospital)
        if drain.seen and waiting >= FEWEST:
            run.figures |= {"drained_s": drain.seconds, "ideal_s": drain.ideal}
            run.must_in_time(
                drain.seconds <= MOST_OF_IDEAL * drain.ideal + GRAIN,
                f"drained in {drain.seconds:.1f} s, {drain.ideal:.1f} s would be ideal",
            )
        hospital.settle(DRAIN_SECONDS)
        run.must(laid.gateway.stop() == 0, "the gateway did not end in order")
    finally:
        laid.gateway.kill()
        laid.platform.kill()


def _ingest(run: Run, hospital: Hospital, seconds: float) -> float:
    """The median time that a study took."""
    took = []
    until = time.monotonic() + seconds
    pause = threading.Event()
    while (now := time.monotonic()) < until and not run.over.is_set():
        sent = hospital.make()
        if not hospital.send(sent, STUDY_SECONDS):
            run.fail(f"study {sent.number} was not taken")
        took.append(time.monotonic() - now)
        pause.wait(max(0.0, 1 / STUDIES_A_SECOND - took[-1]))
    return sorted(took)[len(took) // 2] if took else 0.0


def _waiting(hospital: Hospital) -> int:
    objects = inventory.take(Spool.open(hospital.stage.spool, create=False)).objects
    return sum(objects[state] for state in (State.RECEIVED, State.ADMITTED, State.READY))


def _drain(run: Run, hospital: Hospital) -> Drain:
    began = time.monotonic()
    drain = Drain()
    while (left := _waiting(hospital)) or not drain.seen:
        drain.seen.append((time.monotonic() - began, left))
        if time.monotonic() - began > DRAIN_SECONDS:
            run.fail(f"{left} objects wait {DRAIN_SECONDS:.0f} s after the platform came back")
            return Drain()
        time.sleep(0.1)
    drain.seen.append((time.monotonic() - began, 0))
    return drain


MEASURE = Measure(
    name="outage",
    row="4",
    what="the platform away, killed amid its work",
    goal="0 lost, 0 doubled; ingest goes on; drains in ≤ 1.2 × the ideal time",
    unit="seconds",
    full=3600,
    few=8,
    do=outage,
    note="""
The platform dies and stays away while three studies a second come in; every one of them must be taken at once. When it is back,
the time until the last object has its receipt is held against that at the drain's own middle rate. Answers of 5xx, 202, wrong
or cut ones, and a reply that is lost after the commit, are in `tests/interop/test_stow_uploader_faults.py`, each with a real
uploader and a real platform.
""",
)
