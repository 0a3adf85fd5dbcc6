"""Watches children run cases: crashes, cases that do not end, memory that grows."""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.child import STARTING

_POLL = 0.02
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one case: seconds of processor time; of the process: MB of resident memory."""

    seconds: float = 1.0
    rss_mb: int = 512


@dataclass(slots=True)
class Result:
    """What a run found: `finds` as {target, seed, case, kind, ...}, kind raised, crashed, hung or memory."""

    target: str
    seed: int
    cases: int = 0
    seconds: float = 0.0
    rss_mb: int = 0
    finds: list[dict[str, Any]] = field(default_factory=list)


def fuzz(
    target: str,
    seed: int,
    cases: range,
    limits: Limits,
    files: Sequence[Path] = (),
    told: Callable[[int], None] = lambda _: None,
) -> Result:
    """Runs the cases in children, one after another: a new one follows the child that a case has ended."""
    result = Result(target, seed)
    begin, first = time.monotonic(), cases.start
    with tempfile.TemporaryDirectory(prefix="penstock-fuzz-") as folder:
        while first < cases.stop:
            first = _child(result, first, cases.stop, limits, files, Path(folder) / "progress", told)
    result.cases, result.seconds = len(cases), time.monotonic() - begin
    return result


def _child(
    result: Result,
    first: int,
    last: int,
    limits: Limits,
    files: Sequence[Path],
    progress: Path,
    told: Callable[[int], None],
) -> int:
    """Runs one child; returns the case to go on with."""
    progress.write_bytes(struct.pack("<Q", STARTING))
    arguments = [result.target, *map(str, (result.seed, first, last)), str(progress), *map(str, files)]
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.child", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),  # noqa: PLW1509
    )
    at, since, ended = STARTING, 0.0, ""
    try:
        while child.poll() is None and not ended:
            time.sleep(_POLL)
            number = struct.unpack("<Q", progress.read_bytes())[0]
            used, rss = _usage(child.pid)
            result.rss_mb = max(result.rss_mb, rss)
            if number != at:
                at, since = number, used
                told(at)
            elif at != STARTING and used - since > limits.seconds:
                ended = "hung"
            if at != STARTING and rss > limits.rss_mb:
                ended = "memory"
    except BaseException:
        child.kill()  # Ctrl-C, or SIGTERM: nobody would watch it any more
        child.communicate()
        raise
    if ended:
        child.kill()
    output, _ = child.communicate()
    at = struct.unpack("<Q", progress.read_bytes())[0]
    base = {"target": result.target, "seed": result.seed}
    result.finds += [base | json.loads(line) for line in output.splitlines()]
    if child.returncode == 0:
        return last
    if at == STARTING:
        raise RuntimeError(f"the child for {result.target} ended before its first case ({child.returncode})")
    how = {} if ended or child.returncode > 0 else {"signal": signal.Signals(-child.returncode).name}
    result.finds.append(base | {"case": at, "kind": ended or "crashed"} | how)
    return int(at) + 1


def _usage(pid: int) -> tuple[float, int]:
    """Seconds of processor time and MB of resident memory of a process; zeros when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0
    return (int(fields[11]) + int(fields[12])) / _TICKS, int(fields[21]) * _PAGE >> 20
