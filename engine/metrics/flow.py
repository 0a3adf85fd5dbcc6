"""What flowed between two snapshots, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.metrics.catalogue import BOUNDS, STAGES
from engine.metrics.meter import bound_text
from engine.metrics.reading import Snapshot


@dataclass(frozen=True, slots=True)
class StageFlow:
    """One stage over a time. The three shares are of what its hands could have worked, 0.0 … 1.0; what is left of
    1.0 is not accounted for, as when the stage has nothing to do for longer than the snapshots are apart.

    `latency`: median seconds; None if nothing was finished."""

    hands: float = 0.0
    busy: float = 0.0
    starved: float = 0.0
    blocked: float = 0.0
    waiting: float = 0.0
    bytes_in_flight: float = 0.0
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class DestinationFlow:
    """One destination. Rates a second; `backoff` in seconds, 0.0 while it takes objects."""

    objects: float
    bytes: float
    waiting: float
    grows: float
    backoff: float
    busy: float


@dataclass(frozen=True, slots=True)
class PeerFlow:
    """One configured peer. Rates a second; `refused` as counted since the gateway's start."""

    associations: float
    objects: float
    bytes: float
    refused: float


@dataclass(frozen=True, slots=True)
class Flow:
    """Rates a second between two snapshots `seconds` apart. `turned_away`: no new association is taken. `slowed`: senders wait
    because the spool fills. `paused`: workers wait because too much waits for its delivery. `processors`: processor time by
    process, 1.0 is one core."""

    seconds: float
    received: float
    received_bytes: float
    rewritten: float
    rewritten_bytes: float
    uploaded: float
    uploaded_bytes: float
    associations: float
    queue_grows: float
    workers_wanted: float
    workers_working: float
    turned_away: bool
    slowed: bool
    paused: bool
    stages: Mapping[str, StageFlow]
    peers: Mapping[str, PeerFlow]
    destinations: Mapping[str, DestinationFlow]
    processors: Mapping[str, float]


def flow(before: Snapshot, after: Snapshot) -> Flow:
    """What happened between the two. A process that started again in between counts from where it was."""
    seconds = max(after.at - before.at, 1e-9)

    def rate(metric: str, **labels: str) -> float:
        return max(after.total(metric, **labels) - before.total(metric, **labels), 0.0) / seconds

    def change(metric: str, **labels: str) -> float:
        return (after.total(metric, **labels) - before.total(metric, **labels)) / seconds

    def stage(name: str) -> StageFlow:
        hands = after.total("penstock_stage_hands", stage=name)

        def share(what: str) -> float:
            spent = rate(f"penstock_stage_{what}_seconds_total", stage=name)
            return min(spent / hands, 1.0) if hands else min(spent, 1.0)

        return StageFlow(
            hands=hands,
            busy=share("busy"),
            starved=share("starved"),
            blocked=share("blocked"),
            waiting=after.total("penstock_stage_waiting_objects", stage=name),
            bytes_in_flight=after.total("penstock_stage_bytes_in_flight", stage=name),
            latency=_median(before, after, name),
        )

    def peer(name: str) -> PeerFlow:
        return PeerFlow(
            after.total("penstock_peer_associations_open", peer=name),
            rate("penstock_peer_objects_total", peer=name),
            rate("penstock_peer_bytes_total", peer=name),
            after.total("penstock_peer_refused_objects_total", peer=name),
        )

    def destination(name: str) -> DestinationFlow:
        hands = after.total("penstock_stage_hands", stage="upload", destination=name)
        busy = rate("penstock_stage_busy_seconds_total", stage="upload", destination=name)
        return DestinationFlow(
            rate("penstock_destination_objects_total", destination=name),
            rate("penstock_destination_bytes_total", destination=name),
            after.total("penstock_destination_waiting_objects", destination=name),
            change("penstock_destination_waiting_objects", destination=name),
            after.total("penstock_destination_backoff_seconds", destination=name),
            min(busy / hands, 1.0) if hands else 0.0,
        )

    workers = after.by("penstock_workers", "state")
    return Flow(
        seconds=seconds,
        received=rate("penstock_received_objects_total"),
        received_bytes=rate("penstock_received_bytes_total"),
        rewritten=rate("penstock_rewritten_objects_total"),
        rewritten_bytes=rate("penstock_rewritten_bytes_total"),
        uploaded=rate("penstock_uploaded_objects_total"),
        uploaded_bytes=rate("penstock_uploaded_bytes_total"),
        associations=after.total("penstock_associations_open"),
        queue_grows=change("penstock_stage_waiting_objects", stage="queue"),
        workers_wanted=workers.get("wanted", 0.0),
        workers_working=workers.get("working", 0.0),
        turned_away=after.total("penstock_receiving_refused") > 0,
        slowed=after.total("penstock_receiving_slowed") > 0,
        paused=after.total("penstock_pool_paused") > 0,
        stages={name: stage(name) for name in STAGES},
        peers={name: peer(name) for name in sorted(after.by("penstock_peer_objects_total", "peer"))},
        destinations={
            name: destination(name)
            for name in sorted(after.by("penstock_destination_objects_total", "destination"))
        },
        processors={
            name: rate("penstock_processor_seconds_total", process=name)
            for name in sorted(after.by("penstock_processor_seconds_total", "process"))
        },
    )


def _median(before: Snapshot, after: Snapshot, stage: str) -> float | None:
    """The upper bound of the bucket in which the median lies; the last bound for what is above all."""

    def count(bound: float) -> float:
        labels = {"stage": stage, "le": bound_text(bound)}
        name = "penstock_stage_seconds_bucket"
        return after.total(name, **labels) - before.total(name, **labels)

    whole = count(float("inf"))
    if whole <= 0:
        return None
    return next((bound for bound in BOUNDS if count(bound) >= whole / 2), BOUNDS[-1])
