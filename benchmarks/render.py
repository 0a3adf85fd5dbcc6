"""Turns the JSON of a run into a page and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

Json = dict[str, Any]

WIDTH, BAR, LABEL = 800, 26, 390
DRAWN = ("files/s", "objects/s")
PICTURES = {
    "rewrite": "Rewriting 530 KB CT slices, file to file, one core: files per second",
    "scale": "penstock batch by workers: objects per second",
    "receive": "Receiving 530 KB CT slices: objects per second",
    "tune": "penstock tune beside a full sweep: objects per second",
}
"""Benchmarks that are drawn, with their pictures' titles."""


def page(told: Json) -> str:
    """The whole run as Markdown."""
    lines = [
        "# Benchmarks",
        "",
        "Made by `python -m benchmarks`; the figures are in [benchmarks.json](benchmarks.json). Machines differ and this one is",
        "shared: read the ratios within a run, not the absolute figures, and run it on yours.",
        "",
        *_environment(told["environment"]),
        "",
        "## Targets",
        "",
        "| benchmark | what | wanted | seen | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for benchmark in told["benchmarks"]:
        lines += [_target(benchmark["name"], target) for target in benchmark["targets"]]
    for benchmark in told["benchmarks"]:
        lines += ["", f"## {benchmark['title']}", "", benchmark["text"], ""]
        if benchmark["name"] in PICTURES:
            lines += [f"![{PICTURES[benchmark['name']]}]({picture_name(benchmark['name'])})", ""]
        lines += ["| | median | spread | |", "| --- | --- | --- | --- |"]
        lines += [_row(row) for row in benchmark["rows"]]
    return "\n".join(lines) + "\n"


def _environment(environment: Json) -> list[str]:
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    machine = ("processor", "memory_gib", "kernel", "file_system", "python", "compiler")
    processor, memory, kernel, system, python, compiler = (environment[name] for name in machine)
    return [
        f"Measured with {environment['cores']} cores of {processor}, {memory} GiB, Linux {kernel}, {system}, Python {python},",
        f"{compiler}. Penstock {environment['penstock']}; {packages}.",
    ]


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _target(name: str, target: Json) -> str:
    verdict = "met" if target["met"] else "**missed**"
    wanted = f"{target['bound']} {_number(target['wanted'])} {target['unit']}"
    return (
        f"| {name} | {target['what']} | {wanted} | {_number(target['seen'])} {target['unit']} | {verdict} |"
    )


def _row(row: Json) -> str:
    spread = f"{_number(row['low'])} – {_number(row['high'])}"
    return f"| {row['name']} | {_number(row['median'])} {row['unit']} | {spread} | {row['note']} |"


def picture_name(benchmark: str) -> str:
    """The file beside the page."""
    return f"benchmarks-{benchmark}.svg"


def pictures(told: Json) -> dict[str, str]:
    """File name → SVG, for what is drawn of a run."""
    return {
        picture_name(benchmark["name"]): picture(benchmark["rows"], PICTURES[benchmark["name"]])
        for benchmark in told["benchmarks"]
        if benchmark["name"] in PICTURES
    }


def picture(rows: Sequence[Json], title: str) -> str:
    """Bars of the medians of the rows that are rates, with their spread, as SVG. Colours are legible on light and dark pages."""
    rows = [row for row in rows if row["unit"] in DRAWN]
    most = max(row["high"] for row in rows)
    height = BAR * len(rows) + 56
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#f6f8fa"/>',
        f'<text x="16" y="28" font-weight="bold" fill="#1f2328">{escape(title)}</text>',
    ]
    scale = (WIDTH - LABEL - 90) / most
    for number, row in enumerate(rows):
        parts += _bar(row, 44 + BAR * number, scale)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(row: Json, y: int, scale: float) -> list[str]:
    name = row["name"].replace("`", "")
    colour = "#0f766e" if name.startswith("Penstock") else "#94a3b8"
    width, middle = row["median"] * scale, y + BAR // 2 - 3
    low, high = LABEL + row["low"] * scale, LABEL + row["high"] * scale
    return [
        f'<text x="{LABEL - 8}" y="{middle + 4}" text-anchor="end" fill="#1f2328">{escape(name)}</text>',
        f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR - 8}" fill="{colour}"/>',
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="#1f2328"/>',
        f'<text x="{max(high, LABEL + width) + 8:.1f}" y="{middle + 4}" fill="#1f2328">{_number(row["median"])}</text>',
    ]
