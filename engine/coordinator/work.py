"""What a worker does with a job: reads an object in the spool, writes its plan beside it. A pure step from
job to result otherwise.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import Final

from engine import log
from engine._native.reader import NeedMore, read_meta
from engine._native.reader import Refused as Unreadable
from engine.coordinator import receipts
from engine.coordinator.keyring import Keyring
from engine.coordinator.messages import (
    AnyJob,
    AnyResult,
    Compared,
    CompareJob,
    Founded,
    FoundJob,
    Gone,
    Later,
    Persisted,
    PersistJob,
    PlanJob,
    Planned,
    Refused,
    Surveyed,
    SurveyJob,
)
from engine.coordinator.routes import Routes
from engine.errors import Refusal, SpoolError
from engine.log.fields import of_error
from engine.pseudonymize import sidecar
from engine.pseudonymize.rewrite import Pseudonymizer
from engine.spool import passfile
from engine.spool.killpoint import reached
from engine.spool.layout import ORIGINAL, PLAN, Spool, remove, write_whole
from engine.spool.nursery import Nursery
from engine.spool.states import State, files, observe_pass
from engine.syncing import sync_folder

_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
WORKER: Final = "worker-"  # begins the names of workers' nurseries
_COMPARE_AT_ONCE: Final = 1 << 20
_META_MOST: Final = 1 << 12  # bytes: our receiver's file meta has about 400
MOST_DAMAGED: Final = 1000
_LOG: Final = log.get("worker")


class Work:
    """The steps of one worker on one spool."""

    def __init__(self, spool: Spool, routes: Routes, secrets: Keyring) -> None:
        self._spool = spool
        self._routes = routes
        self._secrets = secrets
        self._pseudonymizers: dict[tuple[str, str], Pseudonymizer] = {}
        for digest in routes.profiles:
            self._pseudonymizer(digest, secrets.current)
        self._nursery: Nursery | None = None

    @property
    def scan_seconds(self) -> float:
        """How long all leak scans up to now took together."""
        return sum(one.scan_seconds for one in self._pseudonymizers.values())

    def do_all(self, jobs: list[AnyJob]) -> list[AnyResult]:
        """The results in the order of the jobs. Jobs that only wait for the disk wait together: the file
        system makes their syncs durable in one commit."""
        if len(jobs) > 1 and all(isinstance(job, FoundJob | PersistJob) for job in jobs):
            with ThreadPoolExecutor(len(jobs)) as threads:
                return list(threads.map(self.do, jobs))
        return [self.do(job) for job in jobs]

    def do(self, job: AnyJob) -> AnyResult:
        """Never raises for an object: what is wrong with it is the result."""
        step: Callable[[], AnyResult]
        match job:
            case SurveyJob():
                return self._guarded(job.identifier, "", lambda: self._survey(job))
            case PlanJob():
                return self._guarded(job.identifier, job.pass_id, lambda: self._plan(job))
            case CompareJob():
                step = lambda: self._compare(job)  # noqa: E731
            case FoundJob():
                step = lambda: Founded(job.pass_id, passfile.make(self._spool, job.pass_id, job.study))  # noqa: E731
            case PersistJob():
                step = lambda: self._persist(job)  # noqa: E731
        try:
            return step()
        except OSError as error:
            return _later(error)

    def _guarded(self, identifier: str, pass_id: str, step: Callable[[], AnyResult]) -> AnyResult:
        try:
            return step()
        except FileNotFoundError:
            return Gone(identifier, pass_id)
        except OSError as error:
            return _later(error)
        except Refusal as refusal:
            return Refused(
                identifier, pass_id, refusal.code, refusal.message, refusal.hint, refusal.offset, refusal.tag
            )
        except Exception as error:  # noqa: BLE001 - fail closed: this object is quarantined, the others go on
            _LOG.failure("internal-error", error, object=identifier)
            told = of_error(error)
            message = f"a fault of Penstock itself: {told['error']} at {told.get('at', 'an unknown place')}"
            return Refused(identifier, pass_id, "internal-error", message, "please report it", None, None)

    def _pseudonymizer(self, digest: str, key_id: str) -> Pseudonymizer:
        """By profile and hash secret. OSError when the secret is not to be had now."""
        secret = self._secrets.of(key_id)
        made = self._pseudonymizers.get((digest, secret.key_id))
        if made is None:
            made = Pseudonymizer(self._routes.profiles[digest], secret)
            self._pseudonymizers[digest, secret.key_id] = made
        return made

    def _survey(self, job: SurveyJob) -> Surveyed:
        descriptor = os.open(self._spool.arrival(job.identifier), _READ)
        try:
            about = os.fstat(descriptor)
            found = self._pseudonymizer(self._routes.default, self._secrets.current).survey(
                descriptor, about.st_size
            )
        finally:
            os.close(descriptor)
        return Surveyed(
            job.identifier,
            found.study_instance_uid,
            found.sop_instance_uid,
            about.st_size,
            about.st_mtime,
            self._routes.of(found.source_ae_title),
        )

    def _plan(self, job: PlanJob) -> Planned:
        began = time.monotonic()
        descriptor = os.open(self._spool.original(job.pass_id, job.identifier), _READ)
        try:
            size = os.fstat(descriptor).st_size
            plan = self._pseudonymizer(job.profile, job.key_id).plan(descriptor, size, job.key)
        finally:
            os.close(descriptor)
        written = sidecar.encode(plan, size)
        receipts.note_plan(self._spool, job.pass_id, job.identifier, plan)
        self._write(job, written)
        return Planned(
            job.identifier,
            job.pass_id,
            plan.hashed_id,
            plan.study_instance_uid,
            plan.series_instance_uid,
            plan.sop_instance_uid,
            plan.sop_class_uid,
            len(written),
            plan.size,
            time.monotonic() - began,
        )

    def _write(self, job: PlanJob, data: bytes) -> None:
        if self._nursery is None:  # not at the start: on a full disk a worker begins all the same
            self._nursery = Nursery(self._spool.run, f"{WORKER}{os.getpid()}")
        folder = os.open(self._spool.plan(job.pass_id, job.identifier).parent, _FOLDER)
        temporary = temporary_plan(self._spool, job.pass_id, job.identifier)
        try:
            descriptor = self._nursery.create(temporary.name, folder)
            try:
                write_whole(descriptor, data)
            finally:
                os.close(descriptor)
            reached("plan-written-before-name")
            named = job.identifier + PLAN
            os.rename(temporary.name, named, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        finally:
            os.close(folder)
        reached("plan-named-before-result")

    def _compare(self, job: CompareJob) -> Compared:
        """The first may lie in the pass, or wait in received/ for its pass to be founded."""
        for first in (self._spool.original(job.pass_id, job.first), self._spool.arrival(job.first)):
            try:
                ours = os.open(first, _READ)
            except FileNotFoundError:
                continue
            with (
                os.fdopen(ours, "rb", buffering=0) as one,
                self._spool.arrival(job.identifier).open("rb", 0) as two,
            ):
                # The file metas are our own, and name the callers.
                if _seek_data_set(one) != _seek_data_set(two):
                    return Compared(job.identifier, job.pass_id, same=False)
                while chunk := one.read(_COMPARE_AT_ONCE):
                    if chunk != two.read(len(chunk)):
                        return Compared(job.identifier, job.pass_id, same=False)
                return Compared(job.identifier, job.pass_id, same=True)
        return Compared(job.identifier, job.pass_id, same=None)

    def _persist(self, job: PersistJob) -> Persisted:
        """Syncs the plans that are still there; most passes are delivered by now and have none."""
        damaged: dict[str, int] = {}
        for seen in observe_pass(self._spool, job.pass_id):
            if seen.state is State.LEFTOVER:
                continue
            if seen.state is State.ADMITTED or not is_durable_plan(self._spool, job.pass_id, seen.identifier):
                damaged[seen.identifier] = seen.size
        folder = self._spool.folder_of(job.pass_id)
        sync_folder(folder / "in")
        sync_folder(folder / "out")
        # What was delivered during the scan has neither file now, and is not damaged.
        there = files(folder / "in", ORIGINAL)
        lost = [(one, size) for one, size in damaged.items() if one in there]
        return Persisted(job.pass_id, dict(lost[:MOST_DAMAGED]))  # the next persisting finds the others


def _seek_data_set(file: FileIO) -> tuple[str, int]:
    """Goes to the first byte of the data set; its transfer syntax, and how many bytes it has."""
    size = os.fstat(file.fileno()).st_size
    try:
        meta = read_meta(file.read(_META_MOST), size)
    except (Unreadable, NeedMore):
        file.seek(0)
        return "", size  # not of our receiver's making
    file.seek(meta.start)
    return meta.transfer_syntax, size - meta.start


def is_durable_plan(spool: Spool, pass_id: str, identifier: str) -> bool:
    """Makes a plan durable; False if it is gone or does not match its checksum."""
    try:
        descriptor = os.open(spool.plan(pass_id, identifier), _READ)
    except FileNotFoundError:
        return False
    try:
        sidecar.decode(os.pread(descriptor, os.fstat(descriptor).st_size, 0))
        os.fsync(descriptor)
    except SpoolError:
        return False
    finally:
        os.close(descriptor)
    return True


def sweep_nurseries(spool: Spool) -> None:
    """Removes the birthplaces of workers that are gone. Only while no worker lives."""
    for folder in (spool.run / "nursery").glob(f"{WORKER}*"):
        shutil.rmtree(folder)


def temporary_plan(spool: Spool, pass_id: str, identifier: str) -> Path:
    """Where a plan is written before it gets its name. One worker at a time has an object."""
    return spool.folder_of(pass_id) / "out" / f".{identifier}"


def sweep_temporaries(spool: Spool, pass_id: str) -> None:
    """Removes what dead workers left in a pass: temporary plans."""
    for entry in (spool.folder_of(pass_id) / "out").iterdir():
        if entry.name.startswith("."):
            remove(entry)


def _later(error: OSError) -> Later:
    _LOG.failure("disk-refuses", error)
    return Later(error.errno or 0)
