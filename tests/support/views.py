"""Views of gateways that never were, for what shows them."""

from __future__ import annotations

from engine.metrics.meter import key_of
from engine.metrics.reading import Snapshot
from engine.supervisor.view import View, view

SECONDS = 10.0


def key(metric: str, **labels: str) -> str:
    return key_of(f"penstock_{metric}", labels).decode()


def busy_view(name: str = "north wing", *, running: bool = True) -> View:
    """A gateway at work with large numbers everywhere: ten peers, three destinations of which one is away, 12 workers."""
    values: dict[str, float] = {
        key("up_seconds"): 1_234_567,
        key("received_objects_total"): 51_234_000,
        key("received_bytes_total"): 27e12,
        key("rewritten_objects_total"): 49_999_000,
        key("rewritten_bytes_total"): 26e12,
        key("uploaded_objects_total"): 40_000_000,
        key("uploaded_bytes_total"): 20e12,
        key("associations_open"): 40,
        key("passes_open"): 12_345,
        key("passes_total", fate="sealed"): 1_234_567,
        key("split_studies_total"): 321,
        key("quarantine_objects"): 7_654,
        key("quarantined_objects_total", reason="nesting-too-deep"): 7_000,
        key("quarantined_objects_total", reason="leak"): 654,
        key("spool_bytes"): 17.9e12,
        key("spool_max_bytes"): 20e12,
        key("spool_free_bytes"): 3e12,
        key("seconds_until_full"): 100_000,
        key("workers", state="wanted"): 12,
        key("workers", state="working"): 12,
        key("stage_hands", stage="rewrite"): 12,
        key("stage_hands", stage="receive"): 40,
        key("stage_waiting_objects", stage="queue"): 1_234_567,
        key("stage_bytes_in_flight", stage="rewrite"): 268e6,
        key("stage_busy_seconds_total", stage="rewrite"): 11.9 * SECONDS,
        key("stage_blocked_seconds_total", stage="receive"): 35 * SECONDS,
        key("stage_seconds_bucket", stage="rewrite", le="0.003"): 900,
        key("stage_seconds_bucket", stage="rewrite", le="+Inf"): 1000,
    }
    for number in range(12):
        values[key("worker_busy_seconds_total", worker=str(number))] = 9.9 * SECONDS
    for number in range(10):
        peer = f"RADIOLOGY_PACS_{number}"
        values[key("peer_objects_total", peer=peer)] = 5_000_000
        values[key("peer_bytes_total", peer=peer)] = 3e12
        values[key("peer_associations_open", peer=peer)] = 4
        values[key("peer_refused_objects_total", peer=peer)] = 1_000
    for place, backoff in (("platform", 0.0), ("archive-far-away", 60.0), ("folder", 0.0)):
        values[key("destination_objects_total", destination=place)] = 10_000_000
        values[key("destination_bytes_total", destination=place)] = 6e12
        values[key("destination_waiting_objects", destination=place)] = 1_000_000
        values[key("destination_backoff_seconds", destination=place)] = backoff
    for process in ("supervisor", "receiver", "coordinator", "uploader", "workers"):
        values[key("processor_seconds_total", process=process)] = 0.9 * SECONDS
        values[key("process_resident_bytes", process=process)] = 123e6
    for role in ("receiver", "coordinator", "uploader"):
        values[key("process_up", role=role)] = float(role != "uploader")
        values[key("process_starts_total", role=role)] = 3
    return view(name, Snapshot({}, 0.0), Snapshot(values, SECONDS), running=running)
