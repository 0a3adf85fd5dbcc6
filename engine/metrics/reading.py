"""The numbers of all processes together, as they are now."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from engine.metrics.meter import FOLDER, RECORD_BYTES, records

_LE: Final = re.compile(r'(?P<before>[{,])le="(?P<bound>[^"]+)"(?P<after>[,}])')
_LABEL: Final = re.compile(r'([a-z_]+)="([^"]*)"')


def read(run_dir: Path) -> dict[str, float]:
    """The sum over all processes of each metric, by its name with labels as Prometheus writes them. Buckets are added
    up from the smallest on; `_count` is the last one.
    """
    totals: dict[str, float] = defaultdict(float)
    folder = run_dir / FOLDER
    if not folder.is_dir():
        return {}
    for path in sorted(folder.iterdir()):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # the supervisor makes run/ anew
        if data and len(data) % RECORD_BYTES == 0:  # else it is being made
            for key, number in _told(records(data)):
                totals[key] += number
    return dict(totals)


def _told(found: list[tuple[bytes, float]]) -> Iterator[tuple[str, float]]:
    running: dict[str, float] = defaultdict(float)
    for raw, number in found:
        key = raw.decode("ascii")
        bucket = _LE.search(key)
        if bucket is None:
            yield key, number
            continue
        whole = without_bound(key)
        running[whole] += number
        yield key, running[whole]
        if bucket["bound"] == "+Inf":
            yield whole.replace("_bucket", "_count", 1), running[whole]


def without_bound(key: str) -> str:
    """The key of a bucket without its `le`."""

    def close(match: re.Match[str]) -> str:
        if match["before"] == "{":
            return "{" if match["after"] == "," else ""
        return match["after"]

    return _LE.sub(close, key)


def labels_of(key: str) -> dict[str, str]:
    """The labels in a key."""
    return dict(_LABEL.findall(key))


@dataclass(frozen=True)
class Snapshot:
    """All numbers at one moment; `at` in monotonic seconds."""

    values: Mapping[str, float] = field(repr=False)
    at: float = 0.0

    @classmethod
    def take(cls, run_dir: Path) -> Snapshot:
        """What the processes of the gateway at `run_dir` have counted up to now."""
        return cls(read(run_dir), time.monotonic())

    def get(self, metric: str, **labels: str) -> float:
        """The number under exactly these labels, 0.0 if there is none."""
        inside = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
        return self.values.get(f"{metric}{{{inside}}}" if inside else metric, 0.0)

    def by(self, metric: str, label: str) -> dict[str, float]:
        """The numbers of `metric` by one label; over others they are added."""
        found: dict[str, float] = defaultdict(float)
        for labels, number in self._families.get(metric, ()):
            if label in labels:
                found[labels[label]] += number
        return dict(found)

    def total(self, metric: str, **labels: str) -> float:
        """The sum of `metric` over all labels but those given."""
        wanted = labels.items()
        return sum(
            (number for found, number in self._families.get(metric, ()) if wanted <= found.items()), 0.0
        )

    @cached_property
    def _families(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        found: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for key, number in self.values.items():
            found[key.partition("{")[0]].append((labels_of(key), number))
        return found
