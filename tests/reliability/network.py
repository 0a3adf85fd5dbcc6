"""Row 5: the network cuts, stalls and resets, on both sides of the gateway."""

from __future__ import annotations

import threading

from engine.demo import stage
from engine.demo.process import free_port
from engine.dicom import sample
from tests.reliability.book import Measure, Run
from tests.reliability.hospital import Hospital
from tests.support.weather import Fate, Relay

SENDERS = 4
QUIET = 10.0
REPEAT = 20.0
STUDY_SECONDS = 300.0
SETTLE_SECONDS = 300.0
BAD_SENDERS = 0.85
BAD_PLATFORM = 0.9
STALL_SECONDS = 1.0
SHAPE = sample.Shape(slices=5, size=48)
BYTES = 6 * 12_000  # of a study: a fate strikes inside an object, between two, or never
LOOK_BACK = 200


def network(run: Run) -> None:
    """Until `run.count` connections were struck, on both sides together."""
    outgoing = free_port()
    laid = stage.build(
        run.work / "stage",
        gateway={
            "passes": {"quiet_seconds": QUIET, "repeat_seconds": REPEAT},
            "uploader": {"url": f"https://127.0.0.1:{outgoing}", "backoff_first": 0.05, "backoff_max": 0.3},
        },
    )
    upload = Relay(laid.platform_port, run.seed, BAD_PLATFORM, BYTES, STALL_SECONDS, port=outgoing)
    receive = Relay(laid.gateway_port, run.seed + 1, BAD_SENDERS, BYTES, STALL_SECONDS)
    try:
        with stage.running(laid):
            _travel(
                run, Hospital(laid, run, receive.port, SHAPE, patience=STALL_SECONDS * 2), receive, upload
            )
            run.must(laid.gateway.stop() == 0, "the gateway did not end in order")
    finally:
        receive.close()
        upload.close()
    for side, relay in (("sender", receive), ("platform", upload)):
        run.figures.update({f"{side}_{fate}": relay.fates[fate] for fate in Fate if relay.fates[fate]})


def _travel(run: Run, hospital: Hospital, receive: Relay, upload: Relay) -> None:
    while receive.struck + upload.struck < run.count and not run.failures and not run.over.is_set():
        enough = run.count - receive.struck - upload.struck
        threads = [
            threading.Thread(target=_send, args=(run, hospital, min(enough, LOOK_BACK) // SENDERS + 1))
            for _ in range(SENDERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        hospital.settle(SETTLE_SECONDS)
        run.done = receive.struck + upload.struck


def _send(run: Run, hospital: Hospital, studies: int) -> None:
    for _ in range(studies):
        sent = hospital.make()
        if not hospital.send(sent, STUDY_SECONDS):
            run.fail(
                f"study {sent.number}: {len(sent.left)} objects without Success after {STUDY_SECONDS:.0f} s"
            )


MEASURE = Measure(
    name="network",
    row="5",
    what="resets, stalls, cuts and lost answers, between sender and gateway and between gateway and platform",
    goal="0 lost, split, doubled or corrupt",
    unit="cuts",
    full=5000,
    few=30,
    do=network,
    note="""
All connections go through relays that give most of them a fate by the seed: after some bytes, few or many, inside an object or
between two, both ends are reset or closed, or nothing passes any more, or only the answers are lost. Four senders repeat what
has no Success, as a PACS does; every study is compared with the platform's.
""",
)
