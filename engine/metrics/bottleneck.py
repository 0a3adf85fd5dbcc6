"""The limit of the stream, named in words. A pure function of what flowed.

The stages are asked from the end of the stream to its beginning: whoever is slow fills what is before him and starves what
is behind him, so the last stage that is full is the limit, and if none is, nothing comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.metrics.flow import DestinationFlow, Flow

FULL: Final = 0.85  # of its time a stage works that has no room for more
MUCH: Final = 0.5
FEW: Final = 16  # objects that wait on their way and mean nothing: one batch


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` for scripts, `words` for people, `advice` what could be done ("" if nothing need be)."""

    code: str
    words: str
    advice: str = ""


def bottleneck(flow: Flow, cores: int) -> Finding:
    """What limits the stream now. `cores`: of this machine."""
    found = _stopped(flow) or _delivering(flow) or _rewriting(flow, cores) or _receiving(flow)
    if flow.turned_away:
        return Finding(
            "spool-full", f"the spool is full, new associations are turned away: {found.words}", found.advice
        )
    if flow.slowed:
        return Finding("spool-fills", f"the spool fills, senders are slowed: {found.words}", found.advice)
    return found


def _stopped(flow: Flow) -> Finding | None:
    for name, one in flow.destinations.items():
        if one.backoff > 0:
            return Finding(
                "destination-down",
                f"{name} does not take anything: {_wait(one.waiting)}, tried again within {one.backoff:,.0f} s",
                "nothing is lost: see docs/runbook.md, platform down",
            )
    if flow.workers_wanted and not flow.workers_working:
        return Finding(
            "no-workers",
            "no worker is ready: what is received waits",
            "the log says why: perhaps the hash secret cannot be had",
        )
    return None


def _delivering(flow: Flow) -> Finding | None:
    if flow.processors.get("uploader", 0.0) > FULL and flow.stages["upload"].waiting > FEW:
        return Finding("uploader-processor", "the uploader uses a whole core: it is the limit")
    slowest: tuple[str, DestinationFlow] | None = max(
        (
            (name, one)
            for name, one in flow.destinations.items()
            if (one.busy > FULL or flow.paused) and one.waiting > FEW
        ),
        key=lambda pair: pair[1].waiting,
        default=None,
    )
    if slowest is None:
        return None
    name, one = slowest
    rate = f"{one.objects:,.0f} objects/s, {one.bytes / 1e6:,.1f} MB/s"
    advice = (
        "more requests_in_flight help if the way there is long; else it is the destination or the network"
    )
    if flow.paused:
        return Finding(
            "outbox-full",
            f"{name} is the limit: {_wait(one.waiting)} for it, workers pause meanwhile ({rate})",
            advice,
        )
    if one.grows > 0:
        return Finding(
            "destination-slow",
            f"{name} slow: the outbox fills by {one.grows:,.0f} objects/s ({rate})",
            advice,
        )
    return Finding("destination-limit", f"{name} is the limit: {_wait(one.waiting)} for it ({rate})", advice)


def _rewriting(flow: Flow, cores: int) -> Finding | None:
    waiting = flow.stages["queue"].waiting
    if waiting <= FEW:
        return None
    workers = int(flow.workers_working)
    if _working(flow) > FULL:
        used = sum(flow.processors.values())
        more = (
            f"penstock workers {workers + 1}"
            if used < FULL * cores
            else "all cores are in use: a larger machine"
        )
        return Finding(
            "workers", f"workers busy: rewriting is the limit, {_wait(waiting)} for a worker", more
        )
    if flow.processors.get("coordinator", 0.0) > FULL:
        return Finding("coordinator", f"the coordinator uses a whole core: it is the limit, {_wait(waiting)}")
    if flow.queue_grows > 0:
        return Finding(
            "queue",
            f"{_wait(waiting)} for a worker although the workers have time",
            "raise pool.max_bytes_in_flight if the objects are large",
        )
    return None


def _receiving(flow: Flow) -> Finding:
    if not flow.received:
        if flow.associations:
            return Finding("senders-idle", "associations are open, but no sender sends")
        return Finding("idle", "idle: nobody sends")
    receive = flow.stages["receive"]
    starved = "workers starved: " if _working(flow) < MUCH else ""
    if (
        max((used for name, used in flow.processors.items() if name.startswith("receiver")), default=0.0)
        > FULL
    ):
        return Finding(
            "receiver",
            f"{starved}the receiver is the limit, it uses a whole core",
            "raise receiver.processes",
        )
    if receive.blocked > MUCH and flow.slowed:
        return Finding(
            "spool",
            "nothing behind the receiver is at its limit",
            "see what lies in the spool: penstock status tells of the quarantine",
        )
    if receive.blocked > MUCH:
        return Finding(
            "disk",
            f"{starved}the disk is the limit, objects wait for their durable commit",
            "more associations at a time share commits; or a faster disk for the spool",
        )
    if receive.starved > receive.busy:
        return Finding(
            "senders",
            f"{starved}the senders are the limit, they pause between objects",
            "more associations at a time",
        )
    return Finding("network", f"{starved}the senders or the network are the limit, objects come slowly")


def _working(flow: Flow) -> float:
    """The share of their time that workers work: rewriting and scanning are one after the other."""
    return flow.stages["rewrite"].busy + flow.stages["scan"].busy


def _wait(count: float) -> str:
    return "1 object waits" if count == 1 else f"{count:,.0f} objects wait"
