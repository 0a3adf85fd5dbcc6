"""What the uploader says of itself: log lines, metrics, and `run/uploader.json` for `penstock status`."""

from __future__ import annotations

import time
from pathlib import Path

import orjson

from engine import log
from engine.errors import PenstockError
from engine.metrics.meter import Meter

SAID_AGAIN_SECONDS = 60.0
FILE = "uploader.json"
_LOG = log.get("uploader")


class Notice:
    """Kept by the uploader's event loop. A trouble is logged when it begins or changes, and once a minute."""

    def __init__(self, run_dir: Path) -> None:
        self._file = run_dir / FILE
        self._meter = Meter.attach(run_dir, "uploader")
        self._objects = self._meter.value("penstock_uploaded_objects_total")
        self._bytes = self._meter.value("penstock_uploaded_bytes_total")
        self._backoff = self._meter.value("penstock_upload_backoff_seconds")
        self._code = ""
        self._said = 0.0
        self._write({"state": "sending"})

    def request(self, outcome: str) -> None:
        """Count a request by its outcome: "stored", "partly", or the code of a trouble."""
        self._meter.value("penstock_requests_total", outcome=outcome).add()

    def delivered(self, objects: int, size: int) -> None:
        """Count objects with receipts, and their bytes."""
        self._objects.add(objects)
        self._bytes.add(size)

    def quarantined(self, reason: PenstockError) -> None:
        """Count an object that the platform refuses for good."""
        self._meter.value("penstock_quarantined_objects_total", reason=reason.code[:40]).add()

    def trouble(self, problem: PenstockError, wait: float) -> None:
        """Nothing gets through; the next try is in `wait` seconds."""
        self._backoff.set(wait)
        now = time.monotonic()
        if problem.code == self._code and now - self._said < SAID_AGAIN_SECONDS:
            return
        if problem.code != self._code:
            self._write({"state": "waiting", "since": time.time(), "error": problem.describe()})
        self._code, self._said = problem.code, now
        _LOG.warning("upload-waits", code=problem.code, seconds=round(wait, 1))

    def well(self) -> None:
        """The platform takes objects."""
        if self._code:
            _LOG.info("upload-goes-on", after=self._code)
            self._code = ""
            self._backoff.set(0.0)
            self._write({"state": "sending"})

    def close(self) -> None:
        """Take the file away: nobody sends any more."""
        self._file.unlink(missing_ok=True)
        self._meter.close()

    def _write(self, told: dict[str, object]) -> None:
        temporary = self._file.with_suffix(".tmp")
        try:
            temporary.write_bytes(orjson.dumps(told))
            temporary.rename(self._file)
        except OSError as problem:  # a full disk must not keep objects from being sent
            _LOG.failure("notice-not-written", problem)
