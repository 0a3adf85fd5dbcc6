"""Measures one after another, each in a process of its own: what ends one of them, or Ctrl-C, leaves the others' results.

The process is the leader of a session, so that Ctrl-C on a terminal reaches nobody but us: the gateway's processes would
take it as the order to drain.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from engine.process import PR_SET_PDEATHSIG
from tests.reliability.book import ROOT, Measure, Run

ENDINGS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Session:
    """`told` gets the JSON of each measure that was done, in full or as far as it came."""

    told: Callable[[dict[str, Any]], None]
    asked: int = 0  # how often it was asked to end
    process: subprocess.Popen[bytes] | None = None

    def run(self, measures: list[Measure], count: int | None, seed: int, work: Path | None) -> list[str]:
        """What went wrong, a line for each measure that broke a promise or was not done."""
        wrong = []
        with self._heard():
            for measure in measures:
                if self.asked:
                    wrong.append(f"{measure.name}: not begun")
                    continue
                result = self._one(measure, count or measure.full, seed, work)
                if result is None:
                    wrong.append(f"{measure.name}: ended without a result")
                elif result["failed"]:
                    wrong.append(f"{measure.name}: {result['failed']} failures")
                elif not result["done"]:
                    wrong.append(f"{measure.name}: nothing was done")
        return wrong

    def _one(self, measure: Measure, count: int, seed: int, work: Path | None) -> dict[str, Any] | None:
        folder = work / measure.name if work else Path(tempfile.mkdtemp(prefix=f"penstock-{measure.name}-"))
        command = [
            sys.executable,
            "-m",
            "tests.reliability",
            "one",
            measure.name,
            str(count),
            str(seed),
            str(folder),
        ]
        try:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True)
            output, _ = self.process.communicate()
        finally:
            if not work:
                shutil.rmtree(folder, ignore_errors=True)
        if not output:
            return None
        result: dict[str, Any] = orjson.loads(output.splitlines()[-1])
        if result["done"]:
            self.told(result)
        return result

    @contextmanager
    def _heard(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._end) for number in ENDINGS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1
        if self.process is not None and self.process.poll() is None:
            if self.asked == 1:
                self.process.send_signal(signal.SIGINT)
            else:
                os.killpg(self.process.pid, signal.SIGTERM)


def one(measure: Measure, count: int, seed: int, work: Path) -> Run:
    """Runs a measure here. SIGINT ends it at its next step; SIGTERM ends the process, by way of every `finally`."""
    run = Run(work, count, seed)

    def end(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            raise SystemExit(1)
        run.over.set()

    for number in ENDINGS:
        signal.signal(number, end)
    ctypes.CDLL(None).prctl(
        PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0
    )  # nobody would end it if the one who waits were killed
    work.mkdir(parents=True, exist_ok=True)
    measure.do(run)
    return run


def say(result: dict[str, Any]) -> None:
    """A line of JSON, out at once."""
    os.write(sys.stdout.fileno(), orjson.dumps(result) + b"\n")
