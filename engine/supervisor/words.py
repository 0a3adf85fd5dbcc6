"""Numbers as people read them, the same in the terminal and on the page."""

from __future__ import annotations

from typing import Final

_BYTES: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def size(count: float) -> str:
    """Bytes: "12.3 GB"."""
    for unit, name in _BYTES:
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count:,.0f} B"


def rate(number: float) -> str:
    """Something a second: whole from ten on, "" for nothing."""
    if number <= 0:
        return ""
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def share(part: float) -> str:
    """0.0 … 1.0 as a percentage, "" for nothing."""
    return f"{part:.0%}" if part >= 0.005 else ""


def span(seconds: float) -> str:
    """A time that people plan with: "2 d 4 h", "3 h 10 min", "45 s"."""
    whole = int(seconds)
    if whole >= _DAY:
        return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"
    if whole >= _HOUR:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    if whole >= _MINUTE:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole} s"


def latency(seconds: float | None) -> str:
    """A short time, at most as long as said: "≤ 3 ms"; "" for none."""
    if seconds is None:
        return ""
    if seconds < 0.001:
        return f"≤{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"≤{seconds * 1e3:.0f} ms"
    return f"≤{seconds:.0f} s"


def full_in(seconds: float | None) -> str:
    """The disk's forecast."""
    if seconds is None:
        return "does not fill"
    return "full" if seconds <= 0 else f"full in {span(seconds)} at this rate"
