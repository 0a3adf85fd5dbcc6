"""`penstock batch --dry-run`: what a batch would do, without writing anything.

Every object is planned as in a batch. Of the first studies the first object of each series is read back and compared with its
original. New UIDs are as good as those of a real run and not the same: their key is thrown away with the run."""

from __future__ import annotations

import hmac
import io
import os
import secrets
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import pydicom
from pydicom.dataset import Dataset

from engine.batch.discovery import Unfit, discover
from engine.batch.folders import check_source
from engine.batch.preview import Change, compare, identity
from engine.errors import Refusal
from engine.profile import CompiledProfile
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import ObjectPlan
from engine.pseudonymize.receipt import Tally
from engine.pseudonymize.rewrite import Pseudonymizer
from engine.pseudonymize.uids import new_uid

SERIES_SHOWN: Final = 12
REFUSED_NAMED: Final = 200
_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


@dataclass(frozen=True, slots=True)
class RefusedHere:
    """A file that would go to quarantine, by its name relative to the input folder."""

    path: str
    code: str
    reason: str
    hint: str
    tag: int | None


@dataclass(slots=True)
class StudyPreview:
    """One study. `changes` by (where, what): the first that was met, and in how many of the `compared` objects it is; `unshown`
    objects would be written, but pydicom cannot read them."""

    study: str
    new_study: str
    tally: Tally = field(default_factory=Tally)
    identity: list[tuple[str, str, str]] = field(default_factory=list)
    changes: dict[tuple[tuple[str, ...], str], tuple[Change, int]] = field(default_factory=dict)
    compared: int = 0
    unshown: int = 0
    refused: list[RefusedHere] = field(default_factory=list)
    series: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Preview:
    """The whole input. `studies` are the first ones, in full; `others` are further studies, as marks; `elsewhere` was refused
    without belonging to a study that is shown."""

    profile: str
    profile_digest: str
    key_id: str
    studies: dict[str, StudyPreview] = field(default_factory=dict)
    others: set[int] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    elsewhere: list[RefusedHere] = field(default_factory=list)

    @property
    def files(self) -> int:
        """Objects and refused files."""
        return self.tally.objects + self.tally.quarantined.total()


def rehearse(
    source: Path,
    profile: CompiledProfile,
    secret: HashSecret,
    limit: int,
    watch: Callable[[int], None] | None = None,
) -> Preview:
    """Plans every object under `source` and shows the first `limit` studies in full; `watch` is told the number of files so
    far. Raises ConfigError if `source` cannot be walked."""
    check_source(source)
    rehearsal = _Rehearsal(source, profile, secret, limit)
    for number, found in enumerate(discover(os.fsencode(source), (-1, -1)), 1):
        if isinstance(found, Unfit):
            if found.lost:
                rehearsal.refuse(found.name, None, Refusal(found.code, found.reason))
        else:
            rehearsal.file(found.name)
        if watch is not None:
            watch(number)
    return rehearsal.preview


class _Rehearsal:
    def __init__(self, source: Path, profile: CompiledProfile, secret: HashSecret, limit: int) -> None:
        self._source = os.fsencode(source)
        self._profile = profile
        self._pseudonymizer = Pseudonymizer(profile, secret)
        self._limit = limit
        self._key = secrets.token_bytes(32)
        self.preview = Preview(profile.name, profile.digest, secret.key_id)

    def file(self, name: bytes) -> None:
        """One file: planned, or refused with the reason that a batch would give."""
        study: StudyPreview | None = None
        try:
            descriptor = os.open(os.path.join(self._source, name), _READ)  # noqa: PTH118 - a Path cannot be bytes
            try:
                size = os.fstat(descriptor).st_size
                survey = self._pseudonymizer.survey(descriptor, size)
                pass_key = hmac.digest(self._key, survey.study_instance_uid.encode(), "sha256")
                study = self._study(survey.study_instance_uid, pass_key)
                plan = self._pseudonymizer.plan(descriptor, size, pass_key)
                self.preview.tally.add(plan)
                if study is not None:
                    self._look(study, plan, descriptor, survey.series_instance_uid)
            finally:
                os.close(descriptor)
        except Refusal as refusal:
            self.refuse(name, study, refusal)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else "unknown error"
            self.refuse(name, study, Refusal("unreadable", f"the file cannot be read: {reason}"))
        except Exception as error:  # noqa: BLE001 - fail closed, as a batch does: this file is refused, the others go on
            self.refuse(name, study, Refusal("internal-error", f"{type(error).__name__}; please report it"))

    def refuse(self, name: bytes, study: StudyPreview | None, why: Refusal) -> None:
        """Counts a file that has no output, and names it as long as there is room."""
        self.preview.tally.refuse(why.code, why.tag)
        named = self.preview.elsewhere
        if study is not None:
            study.tally.refuse(why.code, why.tag)
            named = study.refused
        if len(named) < REFUSED_NAMED:
            path = name.decode("utf-8", "backslashreplace")
            named.append(RefusedHere(path, why.code, why.message, why.hint, why.tag))

    def _study(self, uid: str, pass_key: bytes) -> StudyPreview | None:
        """None for a study that is not shown."""
        found = self.preview.studies.get(uid)
        if found is None:
            if len(self.preview.studies) >= self._limit:
                self.preview.others.add(int.from_bytes(pass_key[:8], "big"))
                return None
            found = self.preview.studies[uid] = StudyPreview(uid, new_uid(pass_key, uid))
        return found

    def _look(self, study: StudyPreview, plan: ObjectPlan, descriptor: int, series: str) -> None:
        study.tally.add(plan)
        if series in study.series or len(study.series) >= SERIES_SHOWN:
            return
        study.series.add(series)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is odd about an original is no news here
                self._compare(study, plan, descriptor)
        except Exception:  # noqa: BLE001 - it is only shown; that it is not is told
            study.unshown += 1

    def _compare(self, study: StudyPreview, plan: ObjectPlan, descriptor: int) -> None:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(0)
            before = _read(file)
        after = _read(io.BytesIO(plan.head))
        found = compare(before, after, self._profile.program_for(_Values(before)))
        if not study.identity:
            study.identity = identity(before, after)
        study.compared += 1
        for change in found:
            key = (change.where, change.what)
            first, count = study.changes.get(key, (change, 0))
            study.changes[key] = (first, count + 1)


class _Values:
    """The original's top level, as the profile's conditions ask for it."""

    def __init__(self, ds: Dataset) -> None:
        self._ds = ds

    def get(self, tag: int) -> bytes | None:
        """The value as text in bytes; None where it is absent."""
        if tag not in self._ds:
            return None
        value = self._ds[tag].value
        return b"" if value is None else str(value).encode("utf-8", "replace")


def _read(file: BinaryIO) -> Dataset:
    return pydicom.dcmread(file, stop_before_pixels=True, force=True)
