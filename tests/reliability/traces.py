"""What the gateway's processes hold in the course of a run, and whether it grows."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median

from engine.demo.stage import Stage
from engine.process import resident_bytes
from tests.reliability.book import Run
from tests.support.killing import processes

MOST_GROWTH = 0.01
FEWEST = 10  # looks, to say anything


@dataclass(slots=True)
class Trace:
    """What one process held at each look: MB of resident memory, how much of it is its own (neither files nor shared), descriptors.
    `at` is a time or a count."""

    at: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    descriptors: list[float] = field(default_factory=list)

    def grown(self, start: float) -> float:
        """The part by which the last fifth of what follows `start` lies above the first fifth."""
        first, last = self._fifths(self.resident, start)
        return median(last) / median(first) - 1.0

    def more_of_its_own(self, start: float) -> float:
        """The MB of its own by which the last fifth of what follows `start` lies above the first fifth."""
        first, last = self._fifths(self.own, start)
        return median(last) - median(first)

    def slope(self, start: float) -> float:
        """By which part it grows for each step of `at`, by the straight line through what follows `start`."""
        settled = self._since(self.resident, start)
        return linear_regression(self._since(self.at, start), settled).slope / settled[0]

    def more_descriptors(self, start: float) -> tuple[float, float]:
        """(the most in the first fifth of what follows `start`, the median in the last fifth)."""
        first, last = self._fifths(self.descriptors, start)
        return max(first), median(last)

    def _fifths(self, values: list[float], start: float) -> tuple[list[float], list[float]]:
        """The first and the last fifth of what follows `start`."""
        settled = self._since(values, start)
        fifth = max(len(settled) // 5, 1)
        return settled[:fifth], settled[-fifth:]

    def _since(self, values: list[float], start: float) -> list[float]:
        return [value for at, value in zip(self.at, values, strict=True) if at >= start]


@dataclass(slots=True)
class Traces:
    """Of each process, by its role; workers have their number."""

    stage: Stage
    found: defaultdict[str, Trace] = field(default_factory=lambda: defaultdict(Trace))

    def look(self, at: float) -> None:
        """Notes what everybody holds now."""
        for role, pids in processes(self.stage).items():
            for number, pid in enumerate(pids):
                trace = self.found[f"{role}-{number}" if role == "worker" else role]
                trace.at.append(at)
                trace.resident.append(resident_bytes(pid) / 1e6)
                trace.own.append(_own_bytes(pid) / 1e6)
                trace.descriptors.append(float(len(os.listdir(Path(f"/proc/{pid}/fd")))))

    def judge(self, run: Run, start: float, a_day: float) -> None:
        """No process may have grown by more than `MOST_GROWTH` since `start`. `a_day` steps of `at` are a day: for the slope,
        which is told and not judged."""
        for name, trace in sorted(self.found.items()):
            if sum(at >= start for at in trace.at) < FEWEST:
                run.fail(f"{name} was seen too seldom after {start:.0f}: too short a run")
                continue
            grown = trace.grown(start)
            at_first, at_last = trace.more_descriptors(start)
            run.figures[f"{name}_MB"] = round(median(trace.resident[-5:]), 1)
            run.figures[f"{name}_growth_%"] = round(grown * 100, 2)
            run.figures[f"{name}_own_growth_MB"] = round(trace.more_of_its_own(start), 2)
            run.figures[f"{name}_slope_%_a_day"] = round(trace.slope(start) * a_day * 100, 2)
            run.figures[f"{name}_descriptors"] = int(trace.descriptors[-1])
            run.must(grown <= MOST_GROWTH, f"{name} grew by {grown:.1%} in the run")
            run.must(
                at_last <= at_first,
                f"{name} holds {at_last:.0f} descriptors, at first {at_first:.0f} at most",
            )


def _own_bytes(pid: int) -> int:
    """Resident anonymous memory (proc(5), RssAnon); 0 if the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon:")), 0)
