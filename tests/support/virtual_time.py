"""An event loop whose clock only its own waits move on: an hour passes at once, and however busy the machine is, what is due first
comes first."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Hasty(selectors.DefaultSelector):
    """Never waits while a timer is due some time: the time until then passes at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            return super().select(None)
        self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._hasty = _Hasty()
        super().__init__(self._hasty)

    def time(self) -> float:
        return self._hasty.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, in virtual time. Not for what waits for threads or other processes with a time limit."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)
