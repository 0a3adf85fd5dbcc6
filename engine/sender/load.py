"""A run of the sender: K associations share one list of objects, each in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import PenstockError, Refusal, TransportError
from engine.scu.association import Association, Send, Target
from engine.sender.framing import Framed
from engine.sender.report import Refused, Report, Tally, describe, is_stored
from engine.sender.source import SourceObject, files_in, read_source

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Load:
    """What to send and how. `clones` copies of each object, with SOP Instance UIDs of their own, instead of
    the object itself; `window` requests may be outstanding on an association, if the peer agrees
    (asynchronous operations)."""

    target: Target
    paths: tuple[Path, ...]
    associations: int = 1
    clones: int = 0
    window: int = 1


@dataclass(frozen=True, slots=True)
class Job:
    """One object to send, or its clone with this number."""

    source: SourceObject
    clone: int | None


def run(load: Load, progress: Progress | None = None) -> Report:
    """Sends everything; the report as `report.describe` gives it. `progress(objects, bytes)` is called
    after each answer, from any thread. Raises TransportError if no association could be opened."""
    sources, refused = _survey(load.paths)
    if not sources:
        if refused:
            return describe(Tally(refused=refused), 0.0, 0)
        raise TransportError(
            "nothing-to-send",
            "there is no file in what was named",
            hint="name a DICOM file or a folder of them",
        )
    pairs = sorted({(s.sop_class_uid, s.transfer_syntax_uid) for s in sources})
    jobs = _Jobs(sources, load.clones)
    count = max(1, min(load.associations, jobs.total))
    lanes = _open_lanes(load, pairs, jobs, count, progress)
    began = time.perf_counter()
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    seconds = time.perf_counter() - began
    whole = Tally(refused=refused)
    for lane in lanes:
        if lane.error is not None:
            raise lane.error
        whole.add(lane.tally)
    whole.refused += [
        {"path": str(job.source.path), "reason": "no association was left to send it"} for job in jobs
    ]
    return describe(whole, seconds, len(lanes))


def _survey(paths: Sequence[Path]) -> tuple[list[SourceObject], list[Refused]]:
    sources: list[SourceObject] = []
    refused: list[Refused] = []
    for path in files_in(paths):
        try:
            sources.append(read_source(path))
        except Refusal as refusal:
            refused.append({"path": str(path), "reason": str(refusal)})
    return sources, refused


def _open_lanes(
    load: Load, pairs: list[tuple[str, str]], jobs: _Jobs, count: int, progress: Progress | None
) -> list[_Lane]:
    """All associations first, so that the clock measures nothing but storing."""
    lanes: list[_Lane] = []
    try:
        for _ in range(count):
            association = Association(load.target, pairs, load.window)
            lanes.append(_Lane(association, jobs, progress))
    except BaseException:
        for lane in lanes:
            lane.association.abort()
        raise
    return lanes


class _Jobs:
    """The objects still to send, handed out one by one to any thread."""

    def __init__(self, sources: Sequence[SourceObject], clones: int) -> None:
        self.total = len(sources) * max(clones, 1)
        self._lock = threading.Lock()
        self._jobs = (Job(source, n if clones else None) for source in sources for n in range(max(clones, 1)))

    def __iter__(self) -> Iterator[Job]:
        return self

    def __next__(self) -> Job:
        with self._lock:
            return next(self._jobs)


class _Lane(threading.Thread):
    """One association's thread. An object that fails is refused by name and the lane goes on; a lost
    association ends it."""

    def __init__(self, association: Association, jobs: _Jobs, progress: Progress | None) -> None:
        super().__init__(daemon=True)
        self.association = association
        self.tally = Tally()
        self.error: BaseException | None = None
        self._jobs = jobs
        self._progress = progress
        self._framed: Framed | None = None
        self._sent: dict[int, Job] = {}

    def run(self) -> None:
        try:
            self._send_all()
            self.association.release()
        except TransportError as lost:
            self.association.abort()
            self.tally.refused += [
                {"path": str(job.source.path), "reason": str(lost)} for job in self._sent.values()
            ]
            if not self.tally.refused:
                self.tally.refused.append({"path": "", "reason": str(lost)})
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            self.association.abort()
            self.error = error
        finally:
            if self._framed is not None:
                self._framed.close()

    def _send_all(self) -> None:
        window = self.association.agreement.window
        for job in self._jobs:
            try:
                framed = self._frame(job)
            except PenstockError as refusal:
                self.tally.refused.append({"path": str(job.source.path), "reason": str(refusal)})
                continue
            try:
                self._sent[self.association.store(_sending(framed, job.clone))] = job
            except TransportError as lost:
                self.tally.refused.append({"path": str(job.source.path), "reason": str(lost)})
                raise
            while self.association.outstanding >= window:
                self._take_answer()
        while self.association.outstanding:
            self._take_answer()

    def _frame(self, job: Job) -> Framed:
        if self._framed is not None:
            if self._framed.source is job.source:
                return self._framed
            self._framed.close()
            self._framed = None
        key = (job.source.sop_class_uid, job.source.transfer_syntax_uid)
        context = self.association.agreement.contexts.get(key)
        if context is None:
            raise Refusal(
                "context-not-accepted",
                f"the peer does not take SOP class {key[0]} in transfer syntax {key[1]}",
            )
        self._framed = Framed(
            job.source, context, self.association.agreement.max_length, cloned=job.clone is not None
        )
        return self._framed

    def _take_answer(self) -> None:
        answer = self.association.answer()
        job = self._sent.pop(answer.message_id)
        self.tally.latencies.append(answer.seconds)
        self.tally.statuses[answer.status] += 1
        if is_stored(answer.status):
            self.tally.stored += 1
            self.tally.stored_bytes += job.source.size
        else:
            reason = f"status {answer.status:04X}" + (f": {answer.comment}" if answer.comment else "")
            self.tally.refused.append({"path": str(job.source.path), "reason": reason})
        if self._progress is not None:
            self._progress(1, job.source.size)


def _sending(framed: Framed, clone: int | None) -> Send:
    return lambda sock, message_id: framed.send(sock, message_id, clone)
