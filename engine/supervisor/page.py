"""The gateway on one small web page: made here, no script, refreshes itself, readable on a phone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from engine.supervisor import words
from engine.supervisor.view import ILL, View
from engine.version import VERSION

REFRESH_SECONDS: Final = 3

_STYLE: Final = """
:root{--ink:#1d2a33;--soft:#5d6f7b;--line:#d8e0e4;--paper:#fbfcfc;--well:#17806d;--ill:#b3381f;--fill:#bfe3da}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf0;--soft:#9bb0bb;--line:#33434c;--paper:#141c20;--well:#4fc3ac;
--ill:#ff8f73;--fill:#1f5148}}
body{margin:0 auto;max-width:60rem;padding:1.5rem 1rem;background:var(--paper);color:var(--ink);
font:15px/1.45 system-ui,sans-serif;font-variant-numeric:tabular-nums}
h1{font-size:1.15rem;margin:0}h2{font-size:.95rem;margin:1.6rem 0 .3rem;color:var(--soft);font-weight:600}
header{display:flex;justify-content:space-between;align-items:baseline;gap:1rem;flex-wrap:wrap}
.soft{color:var(--soft)}.limit{margin:1rem 0;padding:.7rem .9rem;border-left:.3rem solid var(--well);background:
color-mix(in srgb,var(--well) 8%,transparent)}.limit.ill{border-color:var(--ill);background:
color-mix(in srgb,var(--ill) 8%,transparent)}.limit b{display:block}
.way{display:grid;grid-template-columns:repeat(auto-fit,minmax(7rem,1fr));gap:.5rem}
.stage{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .6rem}.stage b{display:block}
.stage .now{font-size:1.25rem}progress{width:100%;height:.45rem;accent-color:var(--well)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.2rem .5rem;
border-bottom:1px solid var(--line);white-space:nowrap}th:first-child,td:first-child{text-align:left}
th{font-weight:600;color:var(--soft)}.bad{color:var(--ill)}
"""
POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
"""The Content-Security-Policy of the page: its own style, and nothing else."""


def render(view: View) -> str:
    """The page."""
    limit = view.limit
    kind = "limit ill" if limit.code in ILL else "limit"
    parts = [
        f"<header><h1>{escape(view.name)}</h1>",
        f"<span class=soft>Penstock {VERSION} · up {words.span(view.up_seconds)}</span></header>",
        f"<p class='{kind}' id=limit><b>{escape(limit.words)}</b>{escape(limit.advice)}</p>",
        *(f"<p class=bad>{escape(note)}</p>" for note in view.notes),
        "<h2>The way of an object</h2><div class=way>",
        *(_stage(view, index) for index in range(len(view.stages))),
        "</div>",
        _disk(view),
        _tables(view),
        "<p class=soft><a href=/metrics>metrics</a> · <a href=/healthz>health</a> · <a href=/readyz>readiness</a> · ",
        f"refreshed every {REFRESH_SECONDS} s · in a terminal: penstock top --config FILE</p>",
    ]
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<meta http-equiv=refresh content={REFRESH_SECONDS}>"
        f"<title>{escape(view.name)}: Penstock</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _stage(view: View, index: int) -> str:
    stage = view.stages[index]
    told = [
        f"<b>{stage.name}</b><span class=now>{words.rate(stage.objects) or '0'}</span> <span class=soft>/s</span>",
        f"<progress max=1 value={stage.busy:.3f} title='busy'></progress>",
        f"<div class=soft>{words.share(stage.busy) or '0%'} busy"
        + (f", {words.share(stage.blocked)} blocked" if stage.blocked >= 0.005 else "")
        + (f"<br>{stage.waiting:,.0f} waiting" if stage.waiting else "")
        + (f"<br>median {words.latency(stage.latency)}" if stage.latency is not None else "")
        + "</div>",
    ]
    return f"<div class=stage>{''.join(told)}</div>"


def _disk(view: View) -> str:
    disk = view.disk
    return (
        "<h2>Spool</h2>"
        f"<progress max=1 value={min(disk.share, 1.0):.3f}></progress>"
        f"<div>{words.size(disk.used)} of {words.size(disk.most)} ({disk.share:.0%}), "
        f"{words.full_in(disk.seconds_until_full)}; {words.size(disk.free)} free on the disk</div>"
    )


def _tables(view: View) -> str:
    bad = view.quarantine > 0
    return "".join(
        (
            _table(
                "Peers",
                ("peer", "associations", "objects/s", "per second", "refused"),
                (
                    (
                        name,
                        f"{one.associations:,.0f}",
                        words.rate(one.objects),
                        words.size(one.bytes),
                        f"{one.refused:,.0f}",
                    )
                    for name, one in view.peers.items()
                ),
            ),
            _table(
                "Destinations",
                ("destination", "waiting", "objects/s", "per second", "state"),
                (
                    (
                        name,
                        f"{one.waiting:,.0f}",
                        words.rate(one.objects),
                        words.size(one.bytes),
                        f"tried again within {one.backoff:,.0f} s" if one.backoff else "takes objects",
                    )
                    for name, one in view.destinations.items()
                ),
            ),
            _table(
                "Processes",
                ("process", "state", "cores", "memory", "starts"),
                (
                    (
                        name,
                        "up" if one.up else "down",
                        f"{one.cores:.2f}",
                        words.size(one.resident),
                        f"{one.starts:,.0f}",
                    )
                    for name, one in view.processes.items()
                ),
            ),
            f"<h2>Passes and quarantine</h2><div>{view.passes_open:,} open passes, ",
            f"{view.passes.get('sealed', 0):,.0f} sealed, {view.split_studies:,} studies in more than one pass</div>",
            f"<div class={'bad' if bad else 'soft'}>{view.quarantine:,} objects in quarantine{_reasons(view)}</div>",
        )
    )


def _reasons(view: View) -> str:
    told = ", ".join(
        f"{escape(code)} {count:,.0f}" for code, count in sorted(view.quarantined.items()) if count
    )
    return f" ({told})" if told else ""


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th>{column}</th>" for column in columns)
    return f"<h2>{title}</h2><div class=scroll><table><tr>{head}</tr>{body}</table></div>"
