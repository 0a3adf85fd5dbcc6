"""The text format of Prometheus (0.0.4). Some lines of our own: its client library keeps counters in a way
that forks and restarts of single processes do not suit, and the format is all that we need of it."""

from __future__ import annotations

from collections.abc import Mapping

from engine.metrics.catalogue import METRICS, family
from engine.metrics.reading import labels_of, without_bound

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(values: Mapping[str, float]) -> str:
    """The metrics `name{labels}` → number as a page, ordered by the catalogue; those without a value are
    left out.
    """
    by_name: dict[str, list[tuple[str, float]]] = {}
    for key, number in sorted(values.items(), key=lambda item: _order(item[0])):
        by_name.setdefault(family(key.partition("{")[0]), []).append((key, number))
    lines = []
    for name, (kind, told) in METRICS.items():
        if name not in by_name:
            continue
        lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
        lines += [f"{key} {_number(number)}" for key, number in by_name[name]]
    return "\n".join(lines) + "\n"


def _order(key: str) -> tuple[str, float]:
    """By name and labels; buckets by their bounds, not by the bounds' text."""
    bound = labels_of(key).get("le")
    return (key, 0.0) if bound is None else (without_bound(key), float(bound))


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
