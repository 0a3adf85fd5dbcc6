"""The curve of a search, as a picture: one small panel for each thing that was turned: the fastest seen with each of its values."""

from __future__ import annotations

from xml.sax.saxutils import escape

from engine.tuning.search import Found
from engine.tuning.setting import MIB

NAMES = {
    "workers": "workers",
    "receivers": "receiver processes",
    "connections": "upload requests at once",
    "batch_bytes": "MiB a request",
}
WIDTH, HEIGHT, GAP = 210, 150, 34


def points(found: Found, axis: str) -> list[tuple[float, float]]:
    """(value, objects a second) along one axis: the fastest that was seen with each value."""
    best: dict[float, float] = {}
    for setting in found.tried.outcomes:
        value = getattr(setting, axis) / (MIB if axis == "batch_bytes" else 1)
        best[value] = max(best.get(value, 0.0), found.tried.rate(setting))
    return sorted(best.items())


def svg(found: Found) -> str:
    """All panels; the proposal is the filled dot. Colours are legible on light and dark pages."""
    most = max(map(found.tried.rate, found.tried.outcomes))
    wide = len(NAMES) * (WIDTH + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {HEIGHT + 90}" font-family="sans-serif" font-size="12">',
        "<title>Objects a second by setting</title>",
        f'<rect width="{wide}" height="{HEIGHT + 90}" rx="6" fill="#f6f8fa"/>',
    ]
    for number, (axis, name) in enumerate(NAMES.items()):
        parts += _panel(found, axis, name, GAP + number * (WIDTH + GAP), most)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(found: Found, axis: str, name: str, left: float, most: float) -> list[str]:
    top, bottom = 34, 34 + HEIGHT
    through = points(found, axis)
    step = WIDTH / max(1, len(through))
    places = [
        (left + (n + 0.5) * step, bottom - rate / most * (HEIGHT - 14), value, rate)
        for n, (value, rate) in enumerate(through)
    ]
    chosen = getattr(found.knee, axis) / (MIB if axis == "batch_bytes" else 1)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in places)
    parts = [
        f'<text x="{left}" y="22" font-weight="bold" fill="#1f2328">{escape(name)}</text>',
        f'<line x1="{left}" x2="{left + WIDTH}" y1="{bottom}" y2="{bottom}" stroke="#8c959f"/>',
        f'<line x1="{left}" x2="{left}" y1="{top}" y2="{bottom}" stroke="#d0d7de"/>',
        f'<polyline points="{line}" fill="none" stroke="#0f766e" stroke-width="2"/>',
    ]
    for x, y, value, rate in places:
        fill = "#0f766e" if value == chosen else "#f6f8fa"
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}" stroke="#0f766e" stroke-width="2"/>',
            f'<text x="{x:.1f}" y="{y - 10:.1f}" text-anchor="middle" fill="#1f2328">{rate:,.0f}</text>',
            f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#57606a">{value:g}</text>',
        ]
    return parts
