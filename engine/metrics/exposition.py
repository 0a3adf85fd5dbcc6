"""The text format of Prometheus (0.0.4). Thirty lines of our own: its client library keeps counters in a way
that forks and restarts of single processes do not suit, and the format is all that we need of it."""

from __future__ import annotations

from engine.metrics.catalogue import METRICS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(values: dict[str, float]) -> str:
    """The metrics `name{labels}` → number as a page, ordered by the catalogue; those without a value are
    left out.
    """
    by_name: dict[str, list[tuple[str, float]]] = {}
    for key, number in sorted(values.items()):
        by_name.setdefault(key.partition("{")[0], []).append((key, number))
    lines = []
    for name, (kind, told) in METRICS.items():
        if name not in by_name:
            continue
        lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
        lines += [f"{key} {_number(number)}" for key, number in by_name[name]]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
