"""The gateway as operators see it, from two snapshots: for `penstock top`, `penstock status` and the page at the metrics
port. Numbers, names from the configuration and words of our own; nothing of a patient.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from engine.metrics.bottleneck import Finding, bottleneck
from engine.metrics.catalogue import STAGES
from engine.metrics.flow import DestinationFlow, Flow, PeerFlow, flow
from engine.metrics.reading import Snapshot

ILL: Final = frozenset({"destination-down", "no-workers", "spool-full", "not-running", "role-down"})
"""Codes of limits that are troubles."""


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage: objects and bytes a second through it, objects that wait for it, bytes it has in hand; what share of
    their time its hands were busy, starved and blocked (0.0 … 1.0); the median seconds of an object (or request) in it.
    """

    name: str
    objects: float
    bytes: float
    waiting: float
    bytes_in_flight: float
    busy: float
    starved: float
    blocked: float
    latency: float | None


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes. `seconds_until_full` is None while the spool does not fill."""

    used: float
    most: float
    free: float
    seconds_until_full: float | None

    @property
    def share(self) -> float:
        return self.used / self.most if self.most else 0.0


@dataclass(frozen=True, slots=True)
class Process:
    """One role (or all workers together): whether it runs, resident bytes, cores in use, starts."""

    up: bool
    resident: float
    cores: float
    starts: float


@dataclass(frozen=True, slots=True)
class View:
    """Everything at one glance. Rates are those of the last `seconds`; `quarantined` and `split_studies` are counted since
    the gateway's start."""

    name: str
    running: bool
    up_seconds: float
    seconds: float
    limit: Finding
    stages: tuple[StageView, ...]
    disk: Disk
    peers: Mapping[str, PeerFlow]
    destinations: Mapping[str, DestinationFlow]
    workers: Mapping[str, float]
    workers_wanted: int
    workers_working: int
    processes: Mapping[str, Process]
    associations: int
    passes_open: int
    passes: Mapping[str, float]
    split_studies: int
    quarantine: int
    quarantined: Mapping[str, float]
    notes: tuple[str, ...]

    def document(self) -> dict[str, object]:
        """All of it for JSON."""
        return asdict(self)


def view(name: str, before: Snapshot, after: Snapshot, *, running: bool, notes: tuple[str, ...] = ()) -> View:
    """What the gateway called `name` did between the two, and how it is at the second; `notes`: what it says in words."""
    flowed = flow(before, after)
    limit = bottleneck(flowed, os.cpu_count() or 1)
    if not running:
        limit = Finding("not-running", "the gateway is not running", "start it: penstock up --config FILE")
    processes = _processes(after, flowed)
    down = [role for role, one in processes.items() if not one.up and role != "workers"]
    if running and down and all(processes[role].starts <= 1 for role in down):
        limit = Finding("starting", f"starting: {', '.join(down)}")
    elif running and down and limit.code not in ILL:
        limit = Finding(
            "role-down",
            f"not running: {', '.join(down)}",
            "it is started again by itself; the log says why it ended: see docs/runbook.md, gateway is down",
        )
    until_full = after.total("penstock_seconds_until_full")
    return View(
        name=name,
        running=running,
        up_seconds=after.total("penstock_up_seconds"),
        seconds=flowed.seconds,
        limit=limit,
        stages=tuple(_stage(stage, flowed) for stage in STAGES),
        disk=Disk(
            after.total("penstock_spool_bytes"),
            after.total("penstock_spool_max_bytes"),
            after.total("penstock_spool_free_bytes"),
            until_full if until_full >= 0 and "penstock_seconds_until_full" in after.values else None,
        ),
        peers=flowed.peers,
        destinations=flowed.destinations,
        workers=_workers(before, after, flowed),
        workers_wanted=int(flowed.workers_wanted),
        workers_working=int(flowed.workers_working),
        processes=processes,
        associations=int(flowed.associations),
        passes_open=int(after.total("penstock_passes_open")),
        passes=after.by("penstock_passes_total", "fate"),
        split_studies=int(after.total("penstock_split_studies_total")),
        quarantine=int(after.total("penstock_quarantine_objects")),
        quarantined=after.by("penstock_quarantined_objects_total", "reason"),
        notes=notes if running else (),
    )


def _stage(name: str, flowed: Flow) -> StageView:
    through = {
        "receive": (flowed.received, flowed.received_bytes),
        "commit": (flowed.received, flowed.received_bytes),
        "upload": (flowed.uploaded, flowed.uploaded_bytes),
        "receipt": (flowed.uploaded, flowed.uploaded_bytes),
    }.get(name, (flowed.rewritten, flowed.rewritten_bytes))
    told = flowed.stages[name]
    return StageView(
        name,
        *through,
        told.waiting,
        told.bytes_in_flight,
        told.busy,
        told.starved,
        told.blocked,
        told.latency,
    )


def _workers(before: Snapshot, after: Snapshot, flowed: Flow) -> dict[str, float]:
    """The share of its time that each worker worked; those that have gone are not told."""
    metric = "penstock_worker_busy_seconds_total"
    there = int(flowed.workers_working)
    old = before.by(metric, "worker")
    busy = after.by(metric, "worker")
    return {
        number: min(max(busy[number] - old.get(number, 0.0), 0.0) / flowed.seconds, 1.0)
        for number in sorted(busy, key=int)
        if int(number) < there
    }


def _processes(after: Snapshot, flowed: Flow) -> dict[str, Process]:
    up = after.by("penstock_process_up", "role")
    starts = after.by("penstock_process_starts_total", "role")
    resident = after.by("penstock_process_resident_bytes", "process")
    workers = sum(size for name, size in resident.items() if name.startswith("worker-"))
    found = {
        "supervisor": Process(
            True, resident.get("supervisor", 0.0), flowed.processors.get("supervisor", 0.0), 1.0
        )
    }
    for name in up:
        found[name] = Process(
            up[name] > 0, resident.get(name, 0.0), flowed.processors.get(name, 0.0), starts.get(name, 0.0)
        )
    found["workers"] = Process(
        flowed.workers_working > 0, workers, flowed.processors.get("workers", 0.0), flowed.workers_working
    )
    return found
