"""A Dask cluster of real processes on this machine: a scheduler and workers, as anybody would start them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
from distributed import Client

PATIENCE = 60.0
QUIET = {"DASK_DISTRIBUTED__WORKER__DAEMON": "False", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}


class Cluster:
    """`address` of the scheduler; workers come and go."""

    def __init__(self, folder: Path, allowed_failures: int = 3) -> None:
        self._folder = folder
        self._file = folder / "scheduler.json"
        self._environment = os.environ | QUIET
        self._environment["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = str(allowed_failures)
        self.workers: list[subprocess.Popen[bytes]] = []
        self._scheduler = self._start(
            "scheduler",
            "--host",
            "127.0.0.1",
            "--port",
            "0",
            "--no-dashboard",
            "--scheduler-file",
            str(self._file),
        )
        self.address = self._address()

    def add_worker(self, *, nanny: bool = False, **environment: str) -> subprocess.Popen[bytes]:
        """Starts one worker process, which a `nanny` starts again when it dies; it needs a moment to arrive."""
        options = ["--nthreads", "1", "--no-dashboard", "--local-directory", str(self._folder)]
        options.append("--nanny" if nanny else "--no-nanny")
        self.workers.append(self._start("worker", self.address, *options, **environment))
        return self.workers[-1]

    def wait(self, workers: int) -> None:
        """Until so many workers have arrived."""
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=PATIENCE)

    def stop(self) -> None:
        """Ends all of it."""
        for process in (*self.workers, self._scheduler):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop_scheduler(self) -> None:
        """As if its machine were gone."""
        self._scheduler.kill()
        self._scheduler.wait()

    def _start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        name = f"{words[0]}-{len(self.workers)}.log"
        with (self._folder / name).open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                env=self._environment | environment,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _address(self) -> str:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with contextlib.suppress(FileNotFoundError, orjson.JSONDecodeError):
                address: str = orjson.loads(self._file.read_bytes())["address"]
                return address
            assert self._scheduler.poll() is None, (self._folder / "scheduler-0.log").read_text()
            time.sleep(0.02)
        raise AssertionError("the scheduler does not start")


@contextlib.contextmanager
def cluster(folder: Path, workers: int, allowed_failures: int = 3) -> Iterator[Cluster]:
    """A cluster with so many workers."""
    folder.mkdir()
    made = Cluster(folder, allowed_failures)
    try:
        for _ in range(workers):
            made.add_worker()
        if workers:
            made.wait(workers)
        yield made
    finally:
        made.stop()
