"""The jobs that wait for a worker, and how much of them is with the workers now."""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from engine.coordinator.lanes import Lanes
from engine.coordinator.messages import AnyJob, PlanJob, SurveyJob
from engine.spool.layout import association_of

BATCH: Final = 16
SURVEY_BYTES: Final = 16_384  # about what a survey reads


class Queues:
    """Jobs in, batches out: what finishes objects goes before what begins them. `most_bytes`: of objects
    that are planned at a time; one object that is larger goes alone. While `paused`, no object is planned; what
    comes in is surveyed all the same. `waited` is told for how many seconds an
    object waited: of one object at a time, since a clock for each would cost more than it tells."""

    def __init__(self, most_bytes: int, waited: Callable[[float], None] = lambda _: None) -> None:
        self._most_bytes = most_bytes
        self._waited = waited
        self._probe = ""
        self._probe_put = 0.0
        self._plans: Lanes[PlanJob] = Lanes()
        self._surveys: Lanes[SurveyJob] = Lanes()
        self._others: deque[AnyJob] = deque()
        self._flying: dict[str, int] = {}
        self._later: list[tuple[float, int, AnyJob, int]] = []
        self._order = itertools.count()
        self.bytes_in_flight = 0
        self.paused = False

    def put(self, job: AnyJob, size: int = 0) -> None:
        """`size`: of the object of a PlanJob, in bytes."""
        match job:
            case PlanJob():
                self._plans.put(association_of(job.identifier), size, job)
                if not self._probe:
                    self._probe, self._probe_put = job.identifier, time.monotonic()
            case SurveyJob():
                self._surveys.put(association_of(job.identifier), SURVEY_BYTES, job)
            case _:
                self._others.append(job)

    def put_off(self, job: AnyJob, until: float, size: int = 0) -> None:
        """The same, from `until` on (monotonic seconds)."""
        heapq.heappush(self._later, (until, next(self._order), job, size))

    def wake(self, now: float) -> None:
        """Puts the jobs back whose time has come."""
        while self._later and self._later[0][0] <= now:
            _, _, job, size = heapq.heappop(self._later)
            self.put(job, size)

    def batch(self, share: int) -> list[AnyJob]:
        """The next jobs for one worker of `share` that could take some; empty if nothing may go now."""
        if self._others:
            return self._other_batch(_portion(len(self._others), share))
        return self._plan_batch(_portion(len(self._plans), share)) or self._survey_batch(
            _portion(len(self._surveys), share)
        )

    def done(self, job: AnyJob) -> int:
        """A job came back, whatever became of it; the size of its object, for PlanJobs."""
        if not isinstance(job, PlanJob):
            return 0
        size = self._flying.pop(job.identifier, 0)
        self.bytes_in_flight -= size
        return size

    @property
    def waiting(self) -> int:
        """How many jobs could go now, but for the room in the workers."""
        plans = 0 if self.paused else len(self._plans)
        return plans + len(self._surveys) + len(self._others)

    @property
    def waiting_plans(self) -> int:
        """How many objects wait to be planned."""
        return len(self._plans)

    @property
    def put_off_count(self) -> int:
        return len(self._later)

    def _other_batch(self, most: int) -> list[AnyJob]:
        """Jobs of one kind: what waits for the disk is done at the same time (`Work.do_all`)."""
        jobs = [self._others.popleft()]
        while self._others and len(jobs) < most and type(self._others[0]) is type(jobs[0]):
            jobs.append(self._others.popleft())
        return jobs

    def _plan_batch(self, most: int) -> list[AnyJob]:
        jobs: list[AnyJob] = []
        while not self.paused and len(jobs) < most and (size := self._plans.peek()) is not None:
            if self._flying and self.bytes_in_flight + size > self._most_bytes:
                break
            size, job = self._plans.take()
            self._flying[job.identifier] = size
            self.bytes_in_flight += size
            jobs.append(job)
            if job.identifier == self._probe:
                self._waited(time.monotonic() - self._probe_put)
                self._probe = ""
        return jobs

    def _survey_batch(self, most: int) -> list[AnyJob]:
        return [self._surveys.take()[1] for _ in range(min(most, len(self._surveys)))]


def _portion(waiting: int, share: int) -> int:
    """Few jobs are spread over the workers, many go in whole batches."""
    return min(BATCH, -(-waiting // max(share, 1)))
