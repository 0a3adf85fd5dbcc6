"""One run from a folder to a folder: feeds the workers, keeps the journal, writes the report."""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from engine.batch.cluster import ClusterPool
from engine.batch.discovery import Found, Unfit, discover
from engine.batch.durable import Checkpoints
from engine.batch.folders import check_folders
from engine.batch.jobs import count_ahead, jobs
from engine.batch.order import Order
from engine.batch.outputs import Outputs
from engine.batch.pool import Pool
from engine.batch.quarantine import NAME, Quarantine
from engine.batch.receipts import write_receipts
from engine.batch.report import Progress, Report
from engine.batch.runfolder import RunFolder, Terms, unusable
from engine.batch.worker import Keys, RefusedFile, Tally, Worker, output_failure
from engine.errors import SpoolError
from engine.profile import CompiledProfile
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.receipt import Tally as Counts
from engine.pseudonymize.receipt import Treatment
from engine.pseudonymize.rewrite import Pseudonymizer

PAUSE = 0.2  # seconds: the longest sleep, and the shortest time between two calls of `watch`

Watch = Callable[[Progress], None]
Make = Callable[..., Pseudonymizer]


@dataclass(frozen=True, slots=True)
class Request:
    """What to do. `keep_same_uid`: objects of one SOP Instance UID and different contents are all kept, the
    later ones under numbered names, instead of being refused. `page_aligned`: see Pseudonymizer. `cluster`:
    the address of a Dask scheduler whose workers do it, in place of `workers` processes here; they read the secret from
    `secret_file`."""

    source: Path
    out: Path
    profile: CompiledProfile
    secret: HashSecret
    workers: int
    keep_same_uid: bool = False
    page_aligned: bool = False
    cluster: str = ""
    secret_file: Path = Path()


def run(request: Request, watch: Watch | None = None, make: Make = Pseudonymizer) -> Report:
    """Rewrites all objects under `request.source` into `request.out`, or goes on where a run was interrupted.

    `watch` is called a few times a second. Returns also when the run had to stop: `Report.stopped`. Ctrl-C
    and SIGTERM let the workers end with the files that they are at; a second one ends everything at once,
    which loses no more than those files. Raises ConfigError if nothing can be done at all."""
    check_folders(request.source, request.out)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the hash secret and the run key
    profile = request.profile
    terms = Terms(
        request.source, profile.name, profile.digest, request.secret.key_id, page_aligned=request.page_aligned
    )
    with contextlib.ExitStack() as stack:
        folder = RunFolder.open(request.out, terms)
        stack.callback(folder.close)
        try:
            quarantine = Quarantine(request.out, folder.path / NAME)
        except OSError as error:
            raise unusable(request.out, error) from error
        stack.callback(quarantine.close)
        out = os.open(request.out, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, out)
        return _Run(request, folder, quarantine, out, watch).go(make)


class _Run:
    def __init__(
        self, request: Request, folder: RunFolder, quarantine: Quarantine, out: int, watch: Watch | None
    ) -> None:
        self._request = request
        self._folder = folder
        self._quarantine = quarantine
        self._out = out
        self._watch = watch
        self._checkpoints = Checkpoints(out, folder.journal, forks=not request.cluster)
        self._start = time.perf_counter()
        self._watched = 0.0
        self._progress = Progress()
        self._report = Report(
            profile=request.profile.name,
            profile_digest=request.profile.digest,
            key_id=request.secret.key_id,
            workers=request.workers,
            resumed=folder.resumed,
        )

    def go(self, make: Make) -> Report:
        report = self._report

        try:
            with self._pool(make) as pool, self._interruptible(pool):
                self._feed(pool)
                report.workers_replaced = pool.deaths
            report.seconds = time.perf_counter() - self._start
            self._show(last=True)
            self._end()
            report.sync_seconds = time.perf_counter() - self._start - report.seconds
        finally:
            self._checkpoints.close()
        return report

    def _pool(self, make: Make) -> Pool | ClusterPool:
        request, folder = self._request, self._folder
        if not request.cluster:
            return Pool(request.workers, lambda stop: self._worker(make, stop))
        order = Order(
            name=f"penstock-{folder.batch}-{secrets.token_hex(4)}",
            source=request.source.resolve(),
            out=request.out.resolve(),
            run_folder=folder.path.resolve(),
            secret_file=request.secret_file.resolve(),
            key_id=request.secret.key_id,
            profile=request.profile.profile,
            profile_digest=request.profile.digest,
            keep_same_uid=request.keep_same_uid,
            page_aligned=request.page_aligned,
            rebooted=folder.rebooted,
            count_present=not folder.tallies.exact,
        )
        pool = ClusterPool(request.cluster, order)
        self._report.workers = pool.workers
        return pool

    def _worker(self, make: Make, stop: mmap.mmap) -> Worker:
        request, folder = self._request, self._folder
        outputs = Outputs(
            request.out, folder.path, keep_same_uid=request.keep_same_uid, rebooted=folder.rebooted
        )
        keys = Keys(folder.pass_root, folder.journal_key)
        pseudonymizer = make(request.profile, request.secret, page_aligned=request.page_aligned)
        return Worker(
            pseudonymizer,
            request.source,
            outputs,
            keys,
            folder.journal.done,
            stop,
            count_present=not folder.tallies.exact,
        )

    def _feed(self, pool: Pool | ClusterPool) -> None:
        """Sends jobs while there are any and nothing stops the run, and takes what comes back."""
        waiting = jobs(self._discover(), self._report.workers, self._unfit)
        counting = count_ahead(self._discover(), self._progress) if self._watch else None
        more = True
        while True:
            while more and not self._report.stopped and pool.has_room():
                job = next(waiting, None)
                if job is None:
                    more = False
                else:
                    pool.send(job)
            if pool.idle and (self._report.stopped or not more):
                return
            if counting is not None and next(counting, self) is self:
                counting = None
            for tally in pool.collect(PAUSE if counting is None else 0):
                self._take(tally)
            for name in pool.given_up:
                self._lose(RefusedFile(name, "worker-died", "it ended two workers; please report it"))
            pool.given_up.clear()
            with self._output_errors():
                self._checkpoints.poll()
            if self._report.stopped:
                pool.stop[0] = 1
            self._show()

    def _discover(self) -> Iterator[Found | Unfit]:
        about = os.fstat(self._out)
        return discover(os.fsencode(self._request.source), (about.st_dev, about.st_ino))

    def _take(self, tally: Tally) -> None:
        self._report.add(tally)
        if tally.halt is not None:
            self._report.stop(tally.halt)
        with self._output_errors():
            journal = self._folder.journal
            self._folder.tallies.add(journal.size + len(tally.tags), tally.receipts)
            journal.add(bytes(tally.tags))
        for refused in tally.refused:
            self._refuse(refused)
        for name in tally.beside:
            self._notice(
                name, "same-uid", "another object has this SOP Instance UID; kept under a numbered name"
            )

    def _unfit(self, found: Unfit) -> None:
        if found.lost:
            self._lose(RefusedFile(found.name, found.code, found.reason, retryable=found.retryable))
        else:
            self._notice(found.name, found.code, found.reason)

    def _lose(self, refused: RefusedFile) -> None:
        """An input that no worker can tell of."""
        self._refuse(refused)
        counts = Counts()
        counts.refuse(refused.code, refused.tag)
        with self._output_errors():
            self._folder.tallies.add(self._folder.journal.size, {None: counts})

    def _refuse(self, refused: RefusedFile) -> None:
        self._report.refuse(refused.code, retryable=refused.retryable)
        with self._output_errors():
            self._quarantine.refuse(refused)

    def _notice(self, name: bytes, code: str, reason: str) -> None:
        self._report.notices[code] += 1
        self._quarantine.notice(name, code, reason)

    def _show(self, *, last: bool = False) -> None:
        now = time.perf_counter()
        if self._watch is None or (now - self._watched < PAUSE and not last):
            return
        self._watched = now
        self._progress.files = self._report.files
        self._progress.bytes = self._report.bytes_read
        self._progress.refused = self._report.refused.total()
        self._progress.seconds = now - self._start
        self._watch(self._progress)

    @contextlib.contextmanager
    def _output_errors(self) -> Iterator[None]:
        """Our own writing into OUT fails as the workers' does: it stops the run."""
        try:
            yield
        except OSError as error:
            self._report.stop(output_failure(error))

    @contextlib.contextmanager
    def _interruptible(self, pool: Pool | ClusterPool) -> Iterator[None]:
        def interrupt(number: int, frame: FrameType | None) -> None:
            del frame
            self._report.stop(
                SpoolError(
                    "interrupted",
                    "interrupted",
                    hint="run the same command again and it goes on where it stopped",
                )
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
        with self._output_errors():
            self._write_receipts()
        with self._output_errors():
            self._checkpoints.last()
        with self._output_errors():
            self._quarantine.finish(finished=report.finished)
            report.quarantine = str(self._request.out / NAME)
        if report.finished:
            with self._output_errors():
                self._folder.destroy()
        elif report.stopped is None:
            report.advice = (
                "some files may succeed another time: mend them or take them out of the input folder, and run "
                "the same command again; it goes on with those alone, then the run ends"
            )

    def _write_receipts(self) -> None:
        report, folder = self._report, self._folder
        folder.tallies.end(folder.journal.size)
        treatment = Treatment(report.profile, report.profile_digest, report.key_id)
        written = write_receipts(
            self._request.out, folder.batch, folder.tallies, treatment, complete=report.finished
        )
        report.receipts = str(written)
