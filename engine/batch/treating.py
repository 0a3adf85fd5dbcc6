"""What runs in a worker of a Dask cluster: the same `Worker` as in a local pool, made when the first job comes."""

from __future__ import annotations

import contextlib
import os
import resource
import threading
import time
from pathlib import Path
from typing import Final

from distributed import WorkerPlugin, get_worker

from engine.batch.journal import Done
from engine.batch.order import STOP, Order
from engine.batch.outputs import Outputs
from engine.batch.runfolder import derive
from engine.batch.worker import Job, Keys, Tally, Worker
from engine.errors import ConfigError, PenstockError
from engine.profile import compile_profile
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.rewrite import Pseudonymizer

LOOK_SECONDS: Final = 0.2
CLAIMS: Final = "claims"


class TreatingPlugin(WorkerPlugin):  # type: ignore[misc]
    """Holds the one `Worker` of a process: several threads of a Dask worker take turns, for POSIX locks are a process's."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.name = order.name

    def setup(self, worker: object) -> None:
        """Called by Dask in every worker that is there or comes."""
        del worker
        self._turn = threading.Lock()
        self._worker: Worker | None = None

    def teardown(self, worker: object) -> None:
        """Called by Dask when the run is over or the worker ends."""
        del worker
        with self._turn:
            if self._worker is not None:
                self._worker.close()
                self._worker = None

    def do(self, job: Job) -> Tally:
        """Raises PenstockError where this machine cannot do the order at all."""
        with self._turn:
            if self._worker is None:
                self._worker = build(self.order)
            return self._worker.do(job)


class StopFile:
    """`[0]` is 1 once the order is stopped: a file in the run folder, looked for a few times a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 0.0
        self._stopped = 0

    def __getitem__(self, at: int) -> int:
        now = time.monotonic()
        if not self._stopped and now >= self._next:
            self._stopped = int(self._path.exists())
            self._next = now + LOOK_SECONDS
        return self._stopped


def treat(order: Order, number: int, job: Job) -> tuple[Tally, bool] | PenstockError:
    """One job on a worker; its tally, and whether a worker had begun it before and died."""
    plugin = get_worker().plugins[order.name]
    try:
        again = _claimed(order.run_folder / CLAIMS / str(number))
        return plugin.do(Job(job.names, again=job.again or again)), again
    except PenstockError as error:
        return error
    except OSError as error:
        return _elsewhere(order, error)


def build(order: Order) -> Worker:
    """Raises PenstockError where the folders, the secret or the profile here are not those of the order."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the hash secret
    secret = HashSecret.load(order.secret_file)
    profile = compile_profile(order.profile)
    for what, here, wanted in (
        ("hash secret", secret.key_id, order.key_id),
        ("profile", profile.digest, order.profile_digest),
    ):
        if here != wanted:
            raise ConfigError(
                "cluster-differs",
                f"a worker of the cluster has another {what} than this machine",
                hint="install the same version of Penstock everywhere, and name files that all machines share",
            )
    try:
        key = (order.run_folder / "key").read_bytes()
        done = Done.read(order.run_folder / "journal")
        outputs = Outputs(
            order.out,
            order.run_folder,
            keep_same_uid=order.keep_same_uid,
            rebooted=order.rebooted,
            durable=True,
        )
        return Worker(
            Pseudonymizer(profile, secret, page_aligned=order.page_aligned),
            order.source,
            outputs,
            Keys(derive(key, b"passes"), derive(key, b"journal")),
            done,
            StopFile(order.run_folder / STOP),
            count_present=order.count_present,
        )
    except OSError as error:
        raise _elsewhere(order, error) from error


def _claimed(path: Path) -> bool:
    """Whether the claim was there already; makes it."""
    path.parent.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return False
    return True


def _elsewhere(order: Order, error: OSError) -> ConfigError:
    reason = os.strerror(error.errno) if error.errno else "unknown error"
    return ConfigError(
        "cluster-folder",
        f"a worker of the cluster cannot use the folders of this run: {reason}",
        hint=f"{order.source} and {order.out} have to be shared, under these paths, and the workers run as this user",
    )
