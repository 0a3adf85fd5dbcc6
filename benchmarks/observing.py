"""What it costs that the gateway observes itself: the same trip with and without, by turns."""

from __future__ import annotations

import contextlib
import os
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gateway import Travel, travel
from benchmarks.inputs import ct_slice
from benchmarks.result import Result, Row, Target
from engine.demo.process import free_port
from engine.metrics.stages import UNOBSERVED

SCRAPE_SECONDS = 5.0  # three times as often as scripts/deploy/prometheus.yml asks for


def run(work: Path, rounds: int, objects: int) -> Result:
    """`rounds` pairs of trips of `objects` clones of the CT slice."""
    piece = ct_slice(work)
    seen: list[Travel] = []
    unseen: list[Travel] = []
    for number in range(rounds):
        # Who goes first changes: a machine that gets warmer, or busier, must not favour one of them.
        for observed in (True, False) if number % 2 == 0 else (False, True):
            folder = work / f"observing-{number}-{observed}"
            port = free_port()  # both listen there: what the web server's start costs is no observing
            with _scraped(port) if observed else _unobserved():
                (seen if observed else unseen).append(
                    travel(folder, piece.path, objects, {"metrics": {"port": port}})
                )
    rates = Row("objects a second, observed", "objects/s", _rates(seen))
    bare = Row("objects a second, unobserved", "objects/s", _rates(unseen))
    cpu = Row("processor time, observed", "ms/object", tuple(one.cpu / one.objects * 1e3 for one in seen))
    bare_cpu = Row(
        "processor time, unobserved", "ms/object", tuple(one.cpu / one.objects * 1e3 for one in unseen)
    )
    return Result(
        name="observing",
        title="What observing costs",
        text=(
            f"{objects} copies of {piece.name} from the sender to the platform, by turns with and without the counting of stages, "
            f"workers and waits; with, /metrics is read every {SCRAPE_SECONDS:.0f} s. Without: {UNOBSERVED}=1, which is for this "
            "benchmark alone. Throughput on a machine that others use too scatters by more than what is looked for; processor "
            "time scatters less."
        ),
        rows=(rates, bare, cpu, bare_cpu),
        targets=(
            Target("throughput, observed by unobserved", 0.98, rates.median / bare.median),
            Target("processor time, observed by unobserved", 1.02, cpu.median / bare_cpu.median, most=True),
        ),
    )


def _rates(trips: list[Travel]) -> tuple[float, ...]:
    return tuple(trip.objects / trip.arrived for trip in trips)


@contextlib.contextmanager
def _unobserved() -> Iterator[None]:
    os.environ[UNOBSERVED] = "1"
    try:
        yield
    finally:
        del os.environ[UNOBSERVED]


@contextlib.contextmanager
def _scraped(port: int) -> Iterator[None]:
    """Reads the metrics page now and then, as Prometheus does."""
    ended = threading.Event()

    def scrape() -> None:
        while not ended.wait(SCRAPE_SECONDS):
            # The gateway may not be up yet, or be down already.
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer,
            ):
                answer.read()

    scraping = threading.Thread(target=scrape)
    scraping.start()
    try:
        yield
    finally:
        ended.set()
        scraping.join()
