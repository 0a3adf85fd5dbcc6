"""The limit of the stream in words: a table of what flowed, and who is named."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from engine.metrics.bottleneck import bottleneck
from engine.metrics.flow import flow
from engine.metrics.meter import key_of
from engine.metrics.reading import Snapshot

SECONDS = 10.0
CORES = 2


def stage(
    name: str, hands: float, busy: float, starved: float = 0.0, blocked: float = 0.0
) -> dict[str, float]:
    """Shares of a stage's time, as the counters have them after SECONDS."""
    place = {"destination": "platform"} if name == "upload" else {}
    told = {"busy": busy, "starved": starved, "blocked": blocked}
    return {
        key("stage_hands", stage=name, **place): hands,
        **{
            key(f"stage_{what}_seconds_total", stage=name, **place): share * hands * SECONDS
            for what, share in told.items()
        },
    }


def key(metric: str, **labels: str) -> str:
    return key_of(f"penstock_{metric}", labels).decode()


def objects(
    received: float, rewritten: float | None = None, uploaded: float | None = None
) -> dict[str, float]:
    """Objects a second through the stream."""
    return {
        key("received_objects_total"): received * SECONDS,
        key("rewritten_objects_total"): (received if rewritten is None else rewritten) * SECONDS,
        key("destination_objects_total", destination="platform"): (received if uploaded is None else uploaded)
        * SECONDS,
    }


def waits(before: float, after: float) -> tuple[dict[str, float], dict[str, float]]:
    """Objects that wait for a worker, before and after."""
    name = key("stage_waiting_objects", stage="queue")
    return {name: before}, {name: after}


def outbox(before: float, after: float, backoff: float = 0.0) -> tuple[dict[str, float], dict[str, float]]:
    """Objects that wait for the platform, before and after."""
    name = key("destination_waiting_objects", destination="platform")
    place = {"stage": "upload", "destination": "platform"}
    both = {key("destination_objects_total", destination="platform"): 0.0}
    now = {
        name: after,
        key("destination_backoff_seconds", destination="platform"): backoff,
        key("stage_waiting_objects", **place): after,
    }
    return {name: before, **both}, both | now


@dataclass(frozen=True)
class Case:
    code: str
    words: str
    now: dict[str, float]
    before: dict[str, float] = field(default_factory=dict)
    advice: str = ""


def processor(name: str, cores: float) -> dict[str, float]:
    return {key("processor_seconds_total", process=name): cores * SECONDS}


TWO_WORKERS = {key("workers", state="wanted"): 2.0, key("workers", state="working"): 2.0}
ONE_SENDER = {key("associations_open"): 1.0}
STARVED = stage("rewrite", 2, busy=0.1, starved=0.9)

CASES = [
    Case("idle", "idle: nobody sends", TWO_WORKERS),
    Case("senders-idle", "associations are open, but no sender sends", TWO_WORKERS | ONE_SENDER),
    Case(
        "receiver",
        "workers starved: the receiver is the limit, it uses a whole core",
        TWO_WORKERS | ONE_SENDER | objects(500) | STARVED | processor("receiver", 0.97),
        advice="receiver.processes",
    ),
    Case(
        "disk",
        "workers starved: the disk is the limit, objects wait for their durable commit",
        TWO_WORKERS | ONE_SENDER | objects(500) | STARVED | stage("receive", 1, 0.2, 0.1, 0.7),
    ),
    Case(
        "senders",
        "workers starved: the senders are the limit, they pause between objects",
        TWO_WORKERS | ONE_SENDER | objects(50) | STARVED | stage("receive", 1, 0.1, 0.8, 0.1),
    ),
    Case(
        "network",
        "workers starved: the senders or the network are the limit, objects come slowly",
        TWO_WORKERS | ONE_SENDER | objects(5) | STARVED | stage("receive", 1, 0.8, 0.1, 0.1),
    ),
    Case(
        "network",
        "the senders or the network are the limit, objects come slowly",
        TWO_WORKERS
        | ONE_SENDER
        | objects(5)
        | stage("rewrite", 2, busy=0.7)
        | stage("receive", 1, 0.8, 0.1, 0.1),
    ),
    Case(
        "workers",
        "workers busy: rewriting is the limit, 400 objects wait for a worker",
        TWO_WORKERS | ONE_SENDER | objects(900, 700) | stage("rewrite", 2, 0.95) | waits(100, 400)[1],
        advice="penstock workers 3",
    ),
    Case(
        "workers",
        "workers busy: rewriting is the limit, 400 objects wait for a worker",
        TWO_WORKERS
        | objects(900, 700)
        | stage("rewrite", 2, 0.95)
        | waits(100, 400)[1]
        | processor("workers", 1.6)
        | processor("receiver", 0.3),
        advice="a larger machine",
    ),
    Case(
        "coordinator",
        "the coordinator uses a whole core: it is the limit, 400 objects wait",
        TWO_WORKERS
        | objects(900, 700)
        | stage("rewrite", 2, 0.5)
        | waits(0, 400)[1]
        | processor("coordinator", 0.9),
    ),
    Case(
        "queue",
        "400 objects wait for a worker although the workers have time",
        TWO_WORKERS | objects(900, 700) | stage("rewrite", 2, 0.5) | waits(0, 400)[1],
        before=waits(0, 400)[0],
        advice="max_bytes_in_flight",
    ),
    Case(
        "destination-slow",
        "platform slow: the outbox fills by 50 objects/s (100 objects/s, 20.0 MB/s)",
        TWO_WORKERS
        | outbox(0, 500)[1]
        | objects(150, 150, 100)
        | {key("destination_bytes_total", destination="platform"): 200e6}
        | stage("upload", 4, 0.99),
        before=outbox(0, 500)[0],
    ),
    Case(
        "destination-limit",
        "platform is the limit: 400 objects wait for it (100 objects/s, 0.0 MB/s)",
        TWO_WORKERS | outbox(500, 400)[1] | objects(90, 90, 100) | stage("upload", 4, 0.99),
        before=outbox(500, 400)[0],
    ),
    Case(
        "outbox-full",
        "platform is the limit: 20,000 objects wait for it, workers pause meanwhile (100 objects/s, 0.0 MB/s)",
        TWO_WORKERS
        | outbox(20000, 20000)[1]
        | objects(90, 0, 100)
        | stage("upload", 4, 0.5)
        | waits(0, 400)[1]
        | {key("pool_paused"): 1.0},
        before=outbox(20000, 20000)[0],
    ),
    Case(
        "uploader-processor",
        "the uploader uses a whole core: it is the limit",
        TWO_WORKERS
        | objects(150)
        | stage("upload", 4, 0.99)
        | outbox(0, 500)[1]
        | processor("uploader", 0.95),
    ),
    Case(
        "destination-down",
        "platform does not take anything: 1,200 objects wait, tried again within 30 s",
        TWO_WORKERS | objects(900, 900, 0) | outbox(0, 1200, backoff=30.0)[1] | stage("rewrite", 2, 0.95),
        advice="docs/runbook.md",
    ),
    Case("no-workers", "no worker is ready: what is received waits", {key("workers", state="wanted"): 2.0}),
    Case(
        "spool-full",
        "the spool is full, new associations are turned away: "
        "platform does not take anything: 1 object waits, tried again within 5 s",
        TWO_WORKERS | {key("receiving_refused"): 1.0} | outbox(0, 1, backoff=5.0)[1],
        advice="docs/runbook.md",
    ),
    Case(
        "spool-fills",
        "the spool fills, senders are slowed: "
        "platform does not take anything: 1 object waits, tried again within 5 s",
        TWO_WORKERS | {key("receiving_slowed"): 2.0} | outbox(0, 1, backoff=5.0)[1],
        advice="docs/runbook.md",
    ),
    Case(
        "spool-fills",
        "the spool fills, senders are slowed: nothing behind the receiver is at its limit",
        TWO_WORKERS
        | {key("receiving_slowed"): 1.0}
        | objects(10, 10, 10)
        | stage("receive", 4, busy=0.1, blocked=0.8),
        advice="quarantine",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_the_limit_is_named(case: Case) -> None:
    found = bottleneck(flow(Snapshot(case.before, 5.0), Snapshot(case.now, 5.0 + SECONDS)), CORES)
    assert (found.code, found.words) == (case.code, case.words)
    assert case.advice in found.advice


def test_a_few_objects_on_their_way_are_no_queue() -> None:
    busy = (
        TWO_WORKERS
        | objects(500)
        | stage("rewrite", 2, 0.95)
        | waits(0, 16)[1]
        | stage("receive", 1, 0.1, 0.8)
    )
    assert bottleneck(flow(Snapshot({}, 0.0), Snapshot(busy, SECONDS)), CORES).code == "senders"


def test_rates_are_those_between_the_snapshots_and_never_negative() -> None:
    before = Snapshot(objects(100), 0.0)
    after = Snapshot(objects(300, 50), SECONDS)
    found = flow(before, after)
    assert (found.received, found.rewritten) == (200.0, 0.0), "a counter that went back tells nothing"
    assert found.seconds == SECONDS


def test_the_median_is_the_bucket_in_which_half_lies() -> None:
    def buckets(*counts: tuple[str, float]) -> Snapshot:
        return Snapshot({key("stage_seconds_bucket", stage="rewrite", le=le): n for le, n in counts}, SECONDS)

    nothing = Snapshot({}, 0.0)
    slow = buckets(("0.001", 1.0), ("0.003", 6.0), ("0.01", 9.0), ("+Inf", 10.0))
    assert flow(nothing, slow).stages["rewrite"].latency == 0.003
    assert flow(slow, slow).stages["rewrite"].latency is None
    assert flow(nothing, buckets(("+Inf", 3.0))).stages["rewrite"].latency == 100.0


def test_two_snapshots_at_one_moment_divide_by_nothing() -> None:
    assert flow(Snapshot({}, 1.0), Snapshot({}, 1.0)).received == 0.0
