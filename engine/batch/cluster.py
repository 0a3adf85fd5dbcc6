"""The pool's other engine: workers of an existing Dask cluster, for a folder that all of them can reach by the same path.

The same jobs go out and the same tallies come back. Only names, keys of files and counts cross the network; no pixel does, and
not the hash secret: each worker reads its file. A job of a worker that dies is run again by another one. The scheduler gives a
job up that ended several workers (its `allowed-failures`); then each of its files gets one more try, alone in a job, and a file
that ends workers again is named as such.

Outputs are synced before they get their names, since nobody can sync the page caches of other machines afterwards."""

from __future__ import annotations

import contextlib
import queue
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from engine.batch.order import Order
from engine.batch.worker import Job, Tally
from engine.errors import ConfigError, PenstockError

if TYPE_CHECKING:
    from distributed import Client, Future

JOBS_EACH: Final = 2
CONNECT_SECONDS: Final = 10.0
ALONE_SECONDS: Final = 60.0  # so long a cluster may be without any worker
COUNT_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Sent:
    job: Job
    future: Future


class ClusterPool:
    """A pool on the cluster at `address`, which does `order`. Use as a context; see `Pool` for what its members mean.

    Raises ConfigError `cluster-missing` without the package, `cluster-unreachable`, `cluster-empty`.
    """

    def __init__(self, address: str, order: Order) -> None:
        self.stop = bytearray(1)
        self.given_up: list[bytes] = []
        self.deaths = 0
        self._order = order
        self._client = connect(address)
        from engine.batch import treating  # it needs the package that `connect` looks for

        self._treat = treating.treat
        self._came: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._sent: dict[int, _Sent] = {}
        self._again: deque[Job] = deque()
        self._numbers = 0
        self._counted = self._alone_since = 0.0
        self._workers = 0
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            self._client.close()
            raise ConfigError(
                "cluster-empty", f"the cluster at {address} has no workers", hint="start some: dask worker …"
            ) from error
        self._client.register_plugin(treating.TreatingPlugin(order))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self._client.cancel([sent.future for sent in self._sent.values()])
        with contextlib.suppress(Exception):  # the scheduler may be what failed
            self._client.unregister_worker_plugin(self._order.name)
        self._client.close()

    @property
    def workers(self) -> int:
        """How many workers the cluster has now."""
        return self._count()

    @property
    def idle(self) -> bool:
        """Whether all jobs have come back."""
        return not self._again and not self._sent

    def has_room(self) -> bool:
        """Whether `send` may be called."""
        return not self._again and len(self._sent) < JOBS_EACH * max(1, self._count())

    def send(self, job: Job) -> None:
        """Gives the job to the cluster."""
        number, self._numbers = self._numbers, self._numbers + 1
        future = self._client.submit(
            self._treat, self._order, number, job, key=f"{self._order.name}-{number}", pure=False, retries=0
        )
        self._sent[number] = _Sent(job, future)
        future.add_done_callback(lambda _future: self._came.put(number))

    def collect(self, seconds: float) -> list[Tally]:
        """The tallies that came in, after at most `seconds`. Raises PenstockError where the cluster cannot go on."""
        self._look_for_workers()
        if self.stop[0]:
            self._order.say_stop()
            self._again.clear()
        tallies: list[Tally] = []
        wait = seconds
        while True:
            try:
                number = self._came.get(timeout=wait) if wait else self._came.get_nowait()
            except queue.Empty:
                break
            wait = 0
            tallies += self._take(self._sent.pop(number))
        while self._again and not self.stop[0]:
            self.send(self._again.popleft())
        return tallies

    def _take(self, sent: _Sent) -> list[Tally]:
        from distributed import KilledWorker

        try:
            result: tuple[Tally, bool] | PenstockError = sent.future.result(timeout=CONNECT_SECONDS)
        except KilledWorker:
            self._blame(sent.job)
            return []
        except (OSError, TimeoutError) as error:
            raise _lost() from error
        if isinstance(result, PenstockError):
            raise result
        tally, again = result
        self.deaths += again
        return [tally]

    def _blame(self, job: Job) -> None:
        self.deaths += 1
        if job.again:
            self.given_up += job.names
        else:
            self._again.extend(Job((name,), again=True) for name in job.names)

    def _look_for_workers(self) -> None:
        now = time.monotonic()
        if self._count():
            self._alone_since = now
        elif now - self._alone_since > ALONE_SECONDS:
            raise PenstockError(
                "cluster-empty",
                f"the cluster has had no worker for {ALONE_SECONDS:.0f} seconds",
                hint="start workers and run the same command again; it goes on where it stopped",
            )

    def _count(self) -> int:
        """Workers, asked for once a second."""
        if time.monotonic() - self._counted > COUNT_SECONDS:
            try:
                self._workers = len(self._client.nthreads())
            except (OSError, TimeoutError) as error:
                raise _lost() from error
            self._counted = time.monotonic()
        return self._workers


def connect(address: str) -> Client:
    """A client of the scheduler at `address`, such as tcp://host:8786 or tls://host:8786 (with Dask's own TLS settings)."""
    try:
        from distributed import Client, Security
    except ImportError as error:
        raise ConfigError(
            "cluster-missing",
            "the package for Dask clusters is not installed",
            hint="pip install 'dicom-penstock[cluster]'",
        ) from error
    security: Any = Security() if address.startswith("tls:") else None
    try:
        return Client(address, timeout=CONNECT_SECONDS, security=security, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            "cluster-unreachable",
            f"no Dask scheduler answers at {address}",
            hint="start one (dask scheduler) or name the right address, such as tcp://host:8786",
        ) from error


def _lost() -> PenstockError:
    return PenstockError(
        "cluster-lost",
        "the cluster's scheduler does not answer any more",
        hint="run the same command again when it does; it goes on where it stopped",
        retryable=True,
    )
