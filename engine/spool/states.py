"""The states of an object and the steps between them.

Invariants
    1. An object's state is the folder that it lies in; each step is one atomic rename or unlink on one file
    system. 2. What lies in received/ or later was acknowledged, or may have been: it leaves the spool only
    by a receipt. 3. A pass's key is durable before its first plan exists, and gone only when every plan of
    the pass is durable. 4. A plan is a pure function of (object, profile, pass key, hash secret): while the
    key lives a lost or damaged plan is
       made again, the same to the byte.
    5. An original changes never; it is unlinked before its plan, so that no plan is ever mistaken for work
    to do.

Who owns what (one writer for each step, so no step needs a lock)
    receiver      writes incoming/, moves to received/; keeps run/associations/
    coordinator   moves received/ to a pass, opens and seals passes, quarantines what cannot be planned
    worker        writes out/<id>.plan, by temporary file and rename
    uploader      reads plans and originals; unlinks both after the receipt; quarantines what the platform
    refuses for good supervisor    deletes incoming/ and remakes run/ while no receiver lives

`layout` draws the folders. The ledger follows all this and decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from engine.errors import SpoolError
from engine.spool.layout import OBJECT_ID, ORIGINAL, PART, PASS_ID, PLAN, Spool


class State(StrEnum):
    RECEIVING = "receiving"  # incoming/<id>.part
    RECEIVED = "received"  # received/<id>.dcm
    ADMITTED = "admitted"  # open/<pass>/in/<id>.dcm alone
    READY = "ready"  # the same with out/<id>.plan
    QUARANTINED = "quarantined"  # quarantine/<id>.dcm
    LEFTOVER = "leftover"  # out/<id>.plan alone: a release that was cut short
    GONE = "gone"


class Step(StrEnum):
    ACKNOWLEDGE = "acknowledge"  # receiver: durable, then renamed, then Success
    DISCARD = "discard"  # receiver or supervisor: never acknowledged
    ADMIT = "admit"  # coordinator: into the pass of its study
    GIVE_BACK = "give-back"  # coordinator: its pass has no key any more, another pass has to take it
    PLAN = "plan"  # worker
    SPOIL = "spoil"  # a plan found damaged is unlinked
    REFUSE = "refuse"  # coordinator or uploader: to the quarantine, with a reason
    DELETE_ORIGINAL = "delete-original"  # uploader: after the receipt
    DELETE_PLAN = "delete-plan"  # uploader, or the coordinator for a leftover


STEPS: dict[tuple[State, Step], State] = {
    (State.RECEIVING, Step.ACKNOWLEDGE): State.RECEIVED,
    (State.RECEIVING, Step.DISCARD): State.GONE,
    (State.RECEIVED, Step.ADMIT): State.ADMITTED,
    (State.RECEIVED, Step.REFUSE): State.QUARANTINED,
    (State.ADMITTED, Step.GIVE_BACK): State.RECEIVED,
    (State.ADMITTED, Step.PLAN): State.READY,
    (State.ADMITTED, Step.REFUSE): State.QUARANTINED,
    (State.READY, Step.PLAN): State.READY,
    (State.READY, Step.SPOIL): State.ADMITTED,
    (State.READY, Step.REFUSE): State.QUARANTINED,
    (State.READY, Step.DELETE_ORIGINAL): State.LEFTOVER,
    (State.LEFTOVER, Step.DELETE_PLAN): State.GONE,
}


def after(state: State, step: Step) -> State:
    """The state that a step leads to; SpoolError for a step that the table does not have."""
    try:
        return STEPS[state, step]
    except KeyError:
        raise SpoolError("spool-step", f"an object that is {state} has no step {step}") from None


@dataclass(frozen=True, slots=True)
class Seen:
    """One object as a scan found it; `pass_id` is "" outside passes, `size` in bytes (a leftover's is its
    plan's).
    """

    identifier: str
    state: State
    pass_id: str
    size: int


def observe(spool: Spool) -> Iterator[Seen]:
    """Every object of the spool, from the folders alone. Others may move objects meanwhile; one moved may be
    missed.
    """
    for folder, suffix, state in (
        (spool.incoming, PART, State.RECEIVING),
        (spool.received, ORIGINAL, State.RECEIVED),
        (spool.quarantine, ORIGINAL, State.QUARANTINED),
    ):
        for identifier, size in files(folder, suffix).items():
            yield Seen(identifier, state, "", size)
    for pass_id in passes(spool):
        yield from observe_pass(spool, pass_id)


def observe_pass(spool: Spool, pass_id: str) -> Iterator[Seen]:
    """The objects of one pass. Plans are listed before originals: a release between the two shows as a
    leftover.
    """
    folder = spool.folder_of(pass_id)
    plans = files(folder / "out", PLAN)
    originals = files(folder / "in", ORIGINAL)
    for identifier, size in originals.items():
        yield Seen(identifier, State.READY if identifier in plans else State.ADMITTED, pass_id, size)
    for identifier, size in plans.items():
        if identifier not in originals:
            yield Seen(identifier, State.LEFTOVER, pass_id, size)


def passes(spool: Spool) -> list[str]:
    """The ids of the passes that have a folder, sealed or not."""
    return [entry.name for entry in spool.passes.iterdir() if PASS_ID.fullmatch(entry.name)]


def files(folder: Path, suffix: str) -> dict[str, int]:
    """Sizes in bytes by object id of the files `<id><suffix>`; empty if the folder is gone. Foreign names
    are passed over.
    """
    found: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                identifier, dot, rest = entry.name.partition(".")
                if dot + rest != suffix or not OBJECT_ID.fullmatch(identifier):
                    continue
                try:
                    found[identifier] = entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue  # moved on during the scan
    except FileNotFoundError:
        return found
    return found
