"""The names of all metrics. A label's value comes from a closed set of our own words, never from a peer or
an object.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    COUNTER = "counter"  # only grows; the sum over processes is told
    GAUGE = "gauge"  # up and down; the sum over processes is told; 0 again when its process starts


LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,40}")

METRICS: Final[dict[str, tuple[Kind, str]]] = {
    "penstock_associations_open": (Kind.GAUGE, "Associations that are open now"),
    "penstock_associations_total": (Kind.COUNTER, "Associations by how they ended"),
    "penstock_answers_total": (Kind.COUNTER, "C-STORE answers by status"),
    "penstock_received_objects_total": (Kind.COUNTER, "Objects acknowledged with Success"),
    "penstock_received_bytes_total": (Kind.COUNTER, "Bytes of those objects"),
    "penstock_commit_seconds_total": (Kind.COUNTER, "Time spent in grouped durable commits"),
    "penstock_commits_total": (Kind.COUNTER, "Grouped durable commits"),
    "penstock_objects_waiting": (Kind.GAUGE, "Objects in the coordinator's hands by what they wait for"),
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
    "penstock_spool_bytes": (Kind.GAUGE, "Bytes in the spool"),
    "penstock_spool_max_bytes": (Kind.GAUGE, "Bytes that the spool may take"),
    "penstock_spool_free_bytes": (Kind.GAUGE, "Bytes free on the spool's file system"),
    "penstock_seconds_until_full": (
        Kind.GAUGE,
        "Forecast for the spool at the present rate; -1 if it does not fill",
    ),
    "penstock_process_resident_bytes": (Kind.GAUGE, "Resident memory by process"),
    "penstock_process_up": (Kind.GAUGE, "1 while the role's process runs"),
    "penstock_process_starts_total": (Kind.COUNTER, "Starts of the role's process"),
}
