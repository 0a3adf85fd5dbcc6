"""The names of all metrics. A label's value is one of our own words, a number of ours, or a name that stands in the
configuration; it never comes from a caller or an object.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    COUNTER = "counter"  # only grows; the sum over processes is told
    GAUGE = "gauge"  # up and down; the sum over processes is told; 0 again when its process starts
    HISTOGRAM = "histogram"  # counts by BOUNDS, in seconds; the sum over processes is told


STAGES: Final = ("receive", "commit", "queue", "rewrite", "scan", "upload", "receipt")
"""The way of an object, in its order; values of the label `stage`."""

BOUNDS: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Upper bounds of every histogram's buckets, in seconds; one more takes the rest."""


LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,40}")

METRICS: Final[dict[str, tuple[Kind, str]]] = {
    "penstock_stage_busy_seconds_total": (Kind.COUNTER, "Time that a stage's hands worked"),
    "penstock_stage_starved_seconds_total": (Kind.COUNTER, "Time that they had nothing to work on"),
    "penstock_stage_blocked_seconds_total": (Kind.COUNTER, "Time that they could not go on for what follows"),
    "penstock_stage_hands": (Kind.GAUGE, "How many a stage has that work side by side"),
    "penstock_stage_waiting_objects": (Kind.GAUGE, "Objects that wait for a stage"),
    "penstock_stage_bytes_in_flight": (Kind.GAUGE, "Bytes of the objects that a stage has now"),
    "penstock_stage_seconds": (Kind.HISTOGRAM, "How long one object (upload, receipt: one request) took"),
    "penstock_destination_objects_total": (Kind.COUNTER, "Objects with a receipt, by destination"),
    "penstock_destination_bytes_total": (Kind.COUNTER, "Bytes of those objects, by destination"),
    "penstock_destination_requests_total": (Kind.COUNTER, "Requests by destination and outcome"),
    "penstock_destination_waiting_objects": (Kind.GAUGE, "Objects that wait for a destination"),
    "penstock_destination_backoff_seconds": (
        Kind.GAUGE,
        "How long it waits before it tries again; 0: it sends",
    ),
    "penstock_workers": (Kind.GAUGE, "Workers, by whether they are wanted or working"),
    "penstock_worker_busy_seconds_total": (Kind.COUNTER, "Time that a worker worked"),
    "penstock_worker_starved_seconds_total": (Kind.COUNTER, "Time that a worker had nothing to work on"),
    "penstock_worker_blocked_seconds_total": (
        Kind.COUNTER,
        "Time that a worker could not hand on its results",
    ),
    "penstock_worker_jobs_total": (Kind.COUNTER, "Jobs that a worker has done"),
    "penstock_associations_open": (Kind.GAUGE, "Associations that are open now"),
    "penstock_associations_total": (Kind.COUNTER, "Associations by how they ended"),
    "penstock_rejections_total": (Kind.COUNTER, "Association requests that were rejected, by reason"),
    "penstock_handshakes_failed_total": (Kind.COUNTER, "TLS handshakes of senders that failed, by reason"),
    "penstock_peer_associations_open": (Kind.GAUGE, "Associations that are open now by configured peer"),
    "penstock_peer_associations_total": (Kind.COUNTER, "Associations accepted by configured peer"),
    "penstock_peer_turned_away_total": (Kind.COUNTER, "Associations above the peer's own limit"),
    "penstock_peer_objects_total": (Kind.COUNTER, "Objects acknowledged with Success by configured peer"),
    "penstock_peer_bytes_total": (Kind.COUNTER, "Bytes of those objects by configured peer"),
    "penstock_peer_refused_objects_total": (Kind.COUNTER, "Objects refused by configured peer"),
    "penstock_peer_slowed_seconds_total": (
        Kind.COUNTER,
        "Time that a configured peer was made to wait because the spool fills",
    ),
    "penstock_answers_total": (Kind.COUNTER, "C-STORE answers by status"),
    "penstock_received_objects_total": (Kind.COUNTER, "Objects acknowledged with Success"),
    "penstock_received_bytes_total": (Kind.COUNTER, "Bytes of those objects"),
    "penstock_commit_seconds_total": (Kind.COUNTER, "Time spent in grouped durable commits"),
    "penstock_commits_total": (Kind.COUNTER, "Grouped durable commits"),
    "penstock_objects_waiting": (Kind.GAUGE, "Objects in the coordinator's hands by what they wait for"),
    "penstock_pool_paused": (Kind.GAUGE, "1 while workers pause because too much waits for its delivery"),
    "penstock_passes_open": (Kind.GAUGE, "Study passes that are open"),
    "penstock_passes_total": (Kind.COUNTER, "Study passes by what became of them"),
    "penstock_split_studies_total": (
        Kind.COUNTER,
        "Passes opened for a study whose pass was over or repeated",
    ),
    "penstock_rewritten_objects_total": (Kind.COUNTER, "Objects whose plan was made"),
    "penstock_rewritten_bytes_total": (Kind.COUNTER, "Bytes of their originals"),
    "penstock_plan_bytes_total": (Kind.COUNTER, "Bytes of the plans"),
    "penstock_quarantined_objects_total": (Kind.COUNTER, "Objects put into the quarantine by reason code"),
    "penstock_rewrite_seconds_total": (Kind.COUNTER, "Time that workers spent on objects"),
    "penstock_bytes_in_flight": (Kind.GAUGE, "Bytes of the objects that workers have now"),
    "penstock_worker_deaths_total": (Kind.COUNTER, "Workers that died or hung"),
    "penstock_requests_total": (Kind.COUNTER, "STOW-RS requests by outcome"),
    "penstock_uploaded_objects_total": (Kind.COUNTER, "Objects for which the platform gave a receipt"),
    "penstock_uploaded_bytes_total": (Kind.COUNTER, "Bytes of those objects as sent"),
    "penstock_upload_backoff_seconds": (Kind.GAUGE, "How long the uploader waits before it tries again"),
    "penstock_ledger_waiting_rows": (Kind.GAUGE, "Ledger rows that could not be written yet"),
    "penstock_quarantine_objects": (Kind.GAUGE, "Objects in the quarantine now"),
    "penstock_up_seconds": (Kind.GAUGE, "Seconds since the gateway's start"),
    "penstock_spool_bytes": (Kind.GAUGE, "Bytes in the spool"),
    "penstock_spool_max_bytes": (Kind.GAUGE, "Bytes that the spool may take"),
    "penstock_spool_free_bytes": (Kind.GAUGE, "Bytes free on the spool's file system"),
    "penstock_seconds_until_full": (
        Kind.GAUGE,
        "Forecast for the spool at the present rate; -1 if it does not fill",
    ),
    "penstock_receiving_refused": (
        Kind.GAUGE,
        "1 while new associations are turned away: the spool is too full",
    ),
    "penstock_receiving_slowed": (Kind.GAUGE, "Receiver processes that slow senders: the spool fills"),
    "penstock_processor_seconds_total": (Kind.COUNTER, "Processor time by process"),
    "penstock_process_resident_bytes": (Kind.GAUGE, "Resident memory by process"),
    "penstock_process_up": (Kind.GAUGE, "1 while the role's process runs"),
    "penstock_process_starts_total": (Kind.COUNTER, "Starts of the role's process"),
}

_PARTS: Final = ("_bucket", "_sum", "_count")


def family(name: str) -> str:
    """The metric of the catalogue to which a name on the metrics page belongs: a histogram has several."""
    for part in _PARTS:
        base = name.removesuffix(part)
        if base != name and METRICS.get(base, (None,))[0] is Kind.HISTOGRAM:
            return base
    return name
