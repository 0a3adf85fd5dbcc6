"""What the uploader says of itself: log lines, metrics, and `run/uploader.json` for `penstock status`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import orjson

from engine import log
from engine.errors import PenstockError
from engine.metrics.meter import Meter
from engine.uploader.tempo import MOST_NUMBERS, Tempo

SAID_AGAIN_SECONDS = 60.0
FILE = "uploader.json"
OUT: Mapping[str, str] = MappingProxyType(
    {"gateway-fenced": "fenced", "gateway-revoked": "revoked", "gateway-unknown": "revoked"}
)
"""By which code a destination says that this gateway is out until it is enrolled anew, and the state's name."""
_LOG = log.get("uploader")


class Board:
    """What all destinations share: the counters, and the file. Kept by the uploader's event loop."""

    def __init__(self, run_dir: Path) -> None:
        self._file = run_dir / FILE
        self.meter = Meter.attach(run_dir, "uploader", MOST_NUMBERS)
        self._told: dict[str, dict[str, object]] = {}
        self._unknown: dict[str, int] = {}
        self._backoffs: dict[str, float] = {}
        self._written = b""

    def tell(self, name: str, told: dict[str, object]) -> None:
        """What a destination does now: its kind, its state, and why it waits."""
        self._told[name] = told
        self.write()

    def backs_off(self, name: str, seconds: float) -> None:
        """The destination is tried again in so many seconds; 0: it takes objects."""
        self._backoffs[name] = seconds
        self.meter.value("penstock_upload_backoff_seconds").set(max(self._backoffs.values()))

    def unknown(self, waiting: Mapping[str, int]) -> None:
        """How many objects wait for destinations that the configuration does not have, by name."""
        if waiting == self._unknown:
            return
        for name in waiting.keys() - self._unknown.keys():
            _LOG.warning("destination-unknown", destination=name, objects=waiting[name])
        self._unknown = dict(waiting)
        self.write()

    def write(self) -> None:
        """Bring the file up to date."""
        waits = any(told["state"] != "sending" for told in self._told.values())
        told: dict[str, object] = {"state": "waiting" if waits else "sending", "destinations": self._told}
        if self._unknown:
            told["unknown"] = self._unknown
        content = orjson.dumps(told)
        if content == self._written:
            return
        temporary = self._file.with_suffix(".tmp")
        try:
            temporary.write_bytes(content)
            temporary.rename(self._file)
            self._written = content
        except OSError as problem:  # a full disk must not keep objects from being sent
            _LOG.failure("notice-not-written", problem)

    def close(self) -> None:
        """Take the file away: nobody sends any more."""
        self._file.unlink(missing_ok=True)
        self.meter.close()


class Notice:
    """One destination's. A trouble is logged when it begins or changes, and once a minute."""

    def __init__(self, board: Board, name: str, kind: str, couriers: int) -> None:
        self._board = board
        self._name, self._kind = name, kind
        self.tempo = Tempo(board.meter, name, couriers)
        self._objects = board.meter.value("penstock_uploaded_objects_total")
        self._bytes = board.meter.value("penstock_uploaded_bytes_total")
        self._code = ""
        self._said = 0.0
        self._say({"state": "sending"})

    def request(self, outcome: str) -> None:
        """Count a request by its outcome: "stored", "partly", or the code of a trouble."""
        value = self._board.meter.value
        value("penstock_requests_total", outcome=outcome).add()
        value("penstock_destination_requests_total", destination=self._name, outcome=outcome).add()

    def delivered(self, objects: int, size: int) -> None:
        """Count objects with receipts, and their bytes."""
        self._objects.add(objects)
        self._bytes.add(size)
        self.tempo.delivered(objects, size)

    def quarantined(self, reason: PenstockError) -> None:
        """Count an object that the destination refuses for good."""
        self._board.meter.value("penstock_quarantined_objects_total", reason=reason.code[:40]).add()

    def trouble(self, problem: PenstockError, wait: float) -> None:
        """Nothing gets through; the next try is in `wait` seconds."""
        self._back_off(wait)
        now = time.monotonic()
        if problem.code == self._code and now - self._said < SAID_AGAIN_SECONDS:
            return
        if problem.code != self._code:
            state = OUT.get(problem.code, "waiting")
            self._say({"state": state, "since": time.time(), "error": problem.describe()})
        self._code, self._said = problem.code, now
        _LOG.warning("upload-waits", destination=self._name, code=problem.code, seconds=round(wait, 1))

    def well(self) -> None:
        """The destination takes objects."""
        if self._code:
            _LOG.info("upload-goes-on", destination=self._name, after=self._code)
            self._code = ""
            self._back_off(0.0)
            self._say({"state": "sending"})

    def _back_off(self, seconds: float) -> None:
        self.tempo.backs_off(seconds)
        self._board.backs_off(self._name, seconds)

    def _say(self, told: dict[str, object]) -> None:
        self._board.tell(self._name, {"kind": self._kind, **told})
