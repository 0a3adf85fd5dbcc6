"""One run from a folder to a folder: feeds the workers, keeps the journal, writes the report."""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from engine.batch.discovery import Found, Unfit, discover
from engine.batch.durable import Checkpoints
from engine.batch.folders import check_folders
from engine.batch.outputs import Outputs
from engine.batch.pool import Pool
from engine.batch.quarantine import NAME, Quarantine
from engine.batch.report import Progress, Report
from engine.batch.runfolder import RunFolder, Terms
from engine.batch.worker import Job, Keys, RefusedFile, Tally, Worker, output_failure
from engine.errors import SpoolError
from engine.profile import CompiledProfile
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.rewrite import Pseudonymizer

# A job is big enough to make the pipe's cost vanish and small enough to spread the end of a run over all
# workers.
JOB_FILES = 32
JOB_BYTES = 32 << 20
JOB_NAME_BYTES = (
    1 << 16
)  # with it a job and its tally fit into a pipe's buffer, and nobody waits for the other
PAUSE = 0.2  # seconds between looks at the clock
COUNT_AT_ONCE = 512  # files counted ahead between two looks at the workers


@dataclass(frozen=True, slots=True)
class Request:
    """What to do. `keep_same_uid`: objects of one SOP Instance UID and different contents are all kept, the
    later ones under numbered names, instead of being refused."""

    source: Path
    out: Path
    profile: CompiledProfile
    secret: HashSecret
    workers: int
    keep_same_uid: bool = False


def run(
    request: Request,
    watch: Callable[[Progress], None] | None = None,
    make: Callable[[CompiledProfile, HashSecret], Pseudonymizer] = Pseudonymizer,
) -> Report:
    """Rewrites all objects under `request.source` into `request.out`, or goes on where a run was interrupted.

    `watch` is called a few times a second. Returns also when the run had to stop: `Report.stopped`. Ctrl-C
    and SIGTERM let the workers end with the files that they are at; a second one ends everything at once,
    which loses no more than those files. Raises ConfigError if nothing can be done at all."""
    check_folders(request.source, request.out)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the hash secret and the run key
    terms = Terms(request.source, request.profile.name, request.profile.digest, request.secret.key_id)
    folder = RunFolder.open(request.out, terms)
    try:
        return _Run(request, folder, watch, make).go()
    finally:
        folder.close()


class _Run:
    def __init__(
        self,
        request: Request,
        folder: RunFolder,
        watch: Callable[[Progress], None] | None,
        make: Callable[[CompiledProfile, HashSecret], Pseudonymizer],
    ) -> None:
        self._request = request
        self._folder = folder
        self._watch = watch
        self._make = make
        self._out = os.open(request.out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._quarantine = Quarantine(request.out, folder.path / NAME)
        self._checkpoints = Checkpoints(self._out, folder.journal)
        self._jobs_sent = 0
        self._progress = Progress()
        self._report = Report(
            profile=request.profile.name,
            profile_digest=request.profile.digest,
            key_id=request.secret.key_id,
            workers=request.workers,
            resumed=folder.resumed,
        )

    def go(self) -> Report:
        start = time.perf_counter()
        report = self._report
        try:
            with Pool(self._request.workers, self._worker) as pool, self._interruptible(pool):
                self._feed(pool, start)
                report.workers_replaced = pool.deaths
            report.seconds = time.perf_counter() - start
            self._end()
            report.sync_seconds = time.perf_counter() - start - report.seconds
        finally:
            self._checkpoints.close()
            self._quarantine.close()
            os.close(self._out)
        return report

    def _worker(self, stop: mmap.mmap) -> Worker:
        request, folder = self._request, self._folder
        outputs = Outputs(
            request.out,
            folder.path,
            keep_same_uid=request.keep_same_uid,
            rebooted=folder.rebooted,
        )
        keys = Keys(folder.pass_root, folder.journal_key)
        pseudonymizer = self._make(request.profile, request.secret)
        return Worker(pseudonymizer, request.source, outputs, keys, folder.journal.done, stop)

    def _feed(self, pool: Pool, start: float) -> None:
        jobs = self._jobs()
        more = True
        counting = self._count_ahead() if self._watch else None
        while True:
            while more and not self._report.stopped and pool.has_room():
                job = next(jobs, None)
                if job is None:
                    more = False
                else:
                    pool.send(job)
            if pool.idle and (self._report.stopped or not more):
                return
            if counting is not None and next(counting, None) is None:
                counting = None
            for tally in pool.collect(0 if counting is not None else PAUSE):
                self._take(pool, tally)
            self._housekeeping(pool, start)

    def _jobs(self) -> Iterator[Job]:
        names: list[bytes] = []
        content = letters = 0
        for found in self._discover():
            if isinstance(found, Unfit):
                self._unfit(found)
                continue
            names.append(found.name)
            content += found.size
            letters += len(found.name)
            # The first jobs are small, so that a small folder too is spread over all workers.
            most = min(JOB_FILES, 1 + self._jobs_sent // (2 * self._request.workers))
            if len(names) >= most or content >= JOB_BYTES or letters >= JOB_NAME_BYTES:
                self._jobs_sent += 1
                yield Job(tuple(names))
                names = []
                content = letters = 0
        if names:
            yield Job(tuple(names))

    def _discover(self) -> Iterator[Found | Unfit]:
        about = os.fstat(self._out)
        return discover(os.fsencode(self._request.source), (about.st_dev, about.st_ino))

    def _count_ahead(self) -> Iterator[bool]:
        """Counts the input for the progress bar, a little at each step, and keeps nothing but two numbers."""
        files = content = 0
        for found in self._discover():
            if isinstance(found, Found):
                files += 1
                content += found.size
                if files % COUNT_AT_ONCE == 0:
                    yield True
        self._progress.total_files, self._progress.total_bytes = files, content

    def _unfit(self, found: Unfit) -> None:
        if found.lost:
            self._refuse(RefusedFile(found.name, found.code, found.reason, retryable=found.retryable))
        else:
            self._report.notices[found.code] += 1
            self._quarantine.notice(found.name, found.code, found.reason)

    def _take(self, pool: Pool, tally: Tally) -> None:
        self._report.add(tally)
        if tally.halt is not None:
            self._stop(pool, tally.halt)
        with self._output_errors(pool):
            self._folder.journal.add(bytes(tally.tags))
            for refused in tally.refused:
                self._refuse(refused)
            for name in tally.beside:
                self._report.notices["same-uid"] += 1
                self._quarantine.notice(
                    name, "same-uid", "another object has this SOP Instance UID; kept under a numbered name"
                )

    def _refuse(self, refused: RefusedFile) -> None:
        self._report.refuse(refused.code, retryable=refused.retryable)
        self._quarantine.refuse(
            refused.name,
            refused.code,
            refused.reason,
            hint=refused.hint,
            tag=refused.tag,
            offset=refused.offset,
        )

    def _housekeeping(self, pool: Pool, start: float) -> None:
        for name in pool.given_up:
            self._refuse(RefusedFile(name, "worker-died", "it ended two workers; please report it"))
        pool.given_up.clear()
        with self._output_errors(pool):
            self._checkpoints.poll()
        if self._watch is not None:
            self._progress.files = self._report.files
            self._progress.bytes = self._report.bytes_read
            self._progress.refused = self._report.refused.total()
            self._progress.seconds = time.perf_counter() - start
            self._watch(self._progress)

    @contextlib.contextmanager
    def _output_errors(self, pool: Pool) -> Iterator[None]:
        """Our own writing into OUT fails as the workers' does."""
        try:
            yield
        except OSError as error:
            self._stop(pool, output_failure(error))

    def _stop(self, pool: Pool, why: SpoolError) -> None:
        if self._report.stopped is None:
            self._report.stopped = why.code
            self._report.advice = f"{why.message}: {why.hint}"
        pool.stop[0] = 1

    @contextlib.contextmanager
    def _interruptible(self, pool: Pool) -> Iterator[None]:
        def interrupt(number: int, frame: FrameType | None) -> None:
            del frame
            self._report.stopped = self._report.stopped or "interrupted"
            self._report.advice = self._report.advice or (
                "interrupted: run the same command again and it goes on where it stopped"
            )
            pool.stop[0] = 1
            signal.signal(number, signal.SIG_DFL)

        if threading.current_thread() is not threading.main_thread():
            yield  # Python gives signals to the main thread only
            return
        before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self) -> None:
        """What was done is made durable first; only then is the key given away that a repetition would
        need."""
        report = self._report
        try:
            self._checkpoints.last()
        except OSError as error:
            failure = output_failure(error)
            report.stopped = report.stopped or failure.code
            report.advice = report.advice or f"{failure.message}: {failure.hint}"
        try:
            self._quarantine.finish(finished=report.finished)
            report.quarantine = str(self._request.out / NAME)
        except OSError as error:
            failure = output_failure(error)
            report.stopped = report.stopped or failure.code
            report.advice = f"{NAME} could not be written: {failure.message}: {failure.hint}"
        if report.finished:
            self._folder.destroy()
        elif report.stopped is None:
            report.advice = (
                "some files may succeed another time: mend them or take them out of the input folder, and run "
                "the same command again; it goes on with those alone, then the run ends"
            )
