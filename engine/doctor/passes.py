"""The passes: their keys, what each is for, and whether every plan fits its original."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine.coordinator.routes import Routes, Treatments
from engine.doctor.finding import Finding, Kind, Level, Tally
from engine.errors import SpoolError
from engine.pseudonymize import sidecar
from engine.spool import passfile
from engine.spool.layout import Spool
from engine.spool.passfile import Study
from engine.spool.states import State, observe_pass
from engine.spool.states import passes as pass_ids

_UNNAMED = Kind(
    Level.NOTE,
    "pass-unnamed",
    "passes whose making was cut short",
    "remove them at its next start; no object is in them",
)
_OPEN = Kind(
    Level.NOTE, "passes-open", "passes are open", "go on with them, and seal each when its study is quiet"
)
_SEALED = Kind(
    Level.NOTE, "passes-sealed", "sealed passes wait for receipts", "send what is in them, and remove them"
)
_KEY = Kind(
    Level.WARNING,
    "pass-key-damaged",
    "the key of an open pass has not 32 bytes",
    "seal the pass: what is planned goes out, the rest becomes a pass of its own, so that the study is split",
    "examine the disk; tell the research platform that this study came in two parts",
)
_STUDY = Kind(
    Level.WARNING,
    "pass-study-damaged",
    "an open pass does not say any more what study it is for",
    "seal the pass: what is planned goes out, the rest becomes a pass of its own, so that the study is split",
    "examine the disk",
)
_OTHER = Kind(
    Level.WARNING,
    "pass-of-other-settings",
    "passes were begun with another profile or hash secret than those configured now",
    "seal them at its start, and put what was not planned into new passes",
    "if that is not intended, restore the former profile and secret before you start the gateway",
)
_LOST_WAY = Kind(
    Level.WARNING,
    "pass-of-unknown-destination",
    "passes go to a destination that is not configured",
    "keep their objects until it is",
    "restore the [[destination]] of that name",
)
_KEYLESS = Kind(
    Level.NOTE,
    "objects-without-key",
    "objects lie in a sealed pass without a plan",
    "give them back, and put them into a new pass of their study",
)
_UNPLANNED = Kind(
    Level.NOTE, "objects-to-rewrite", "objects in open passes wait for their plan", "rewrite them"
)
_READY = Kind(
    Level.NOTE, "objects-to-upload", "objects are rewritten and wait for their receipt", "upload them"
)
_LEFTOVER = Kind(
    Level.NOTE,
    "leftovers",
    "plans whose originals were delivered and deleted",
    "remove them at its next start",
)
_DAMAGED = Kind(
    Level.WARNING,
    "plan-damaged",
    "plans do not match their checksum",
    "make each again from its original; nothing is lost as long as its pass is open",
    "examine the disk: plans are synced when they are made",
)
_DAMAGED_SEALED = Kind(
    Level.WARNING,
    "plan-damaged-sealed",
    "plans of sealed passes do not match their checksum",
    "send their objects through a new pass, since the key is gone: the study is split",
    "examine the disk; tell the research platform that this study came in two parts",
)
_CHANGED = Kind(
    Level.WARNING,
    "original-changed",
    "originals are not what their plans were made for",
    "refuse to send them, and make their plans again or put them into the quarantine",
    "find out who writes into the spool; examine the disk",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is configured now: profiles, the key id of the hash secret ("" if it is not here), destinations by name."""

    routes: Routes
    key_id: str
    destinations: frozenset[str]

    def fit(self, study: Study) -> bool:
        """Whether the pass can be ended as it was begun; decided by the coordinator's own rule."""
        return Treatments.by(self.routes, self.key_id or study.key_id).can_go_on(study)


def passes(spool: Spool, settings: Settings | None) -> list[Finding]:
    """Findings in open/. `settings` is None where the configured ones cannot be read: then passes are not compared with them."""
    tally = Tally()
    for entry in sorted(spool.passes.iterdir()):
        if entry.name.startswith("."):
            tally.add(_UNNAMED, str(entry))
    for pass_id in sorted(pass_ids(spool)):
        has_key = _look_at_key(spool, pass_id, settings, tally)
        if settings is not None and passfile.destination_of(spool, pass_id) not in settings.destinations:
            tally.add(_LOST_WAY, str(spool.folder_of(pass_id)))
        _look_at_objects(spool, pass_id, tally, has_key=has_key)
    return tally.findings()


def _look_at_key(spool: Spool, pass_id: str, settings: Settings | None, tally: Tally) -> bool:
    where = str(spool.folder_of(pass_id))
    try:
        passfile.load_key(spool, pass_id)
        study = passfile.load_study(spool, pass_id)
    except FileNotFoundError:
        if os.path.lexists(spool.key(pass_id)):
            tally.add(_STUDY, where)
        else:
            tally.add(_SEALED, where)
        return False
    except SpoolError as error:
        tally.add(_KEY if error.code == _KEY.code else _STUDY, where)
        return False
    tally.add(_OPEN if settings is None or settings.fit(study) else _OTHER, where)
    return True


def _look_at_objects(spool: Spool, pass_id: str, tally: Tally, *, has_key: bool) -> None:
    for seen in observe_pass(spool, pass_id):
        original = spool.original(pass_id, seen.identifier)
        plan = spool.plan(pass_id, seen.identifier)
        if seen.state is State.LEFTOVER:
            tally.add(_LEFTOVER, str(plan))
        elif seen.state is State.ADMITTED:
            tally.add(_UNPLANNED if has_key else _KEYLESS, str(original))
        else:
            kind = _judge(plan, original)
            if kind is _DAMAGED and not has_key:
                kind = _DAMAGED_SEALED
            if kind is not None:
                tally.add(kind, str(original if kind is _CHANGED else plan))


def _judge(plan: Path, original: Path) -> Kind | None:
    """None if both moved on meanwhile."""
    try:
        made = sidecar.decode(plan.read_bytes())
        descriptor = os.open(original, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except SpoolError:
        return _DAMAGED
    try:
        made.check_source(descriptor)
    except SpoolError:
        return _CHANGED
    finally:
        os.close(descriptor)
    return _READY
