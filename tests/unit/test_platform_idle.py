"""A request's body that comes slowly, and one that stops coming."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from engine.errors import TransportError
from engine.platform import stow
from engine.platform.multipart_related import Event
from tests.support import virtual_time

TYPE = 'multipart/related; type="application/dicom"; boundary=x'
PIECES = [b"--x\r\nContent-Type: application/dicom\r\n\r\n", *(b"%d" % n for n in range(9)), b"\r\n--x--\r\n"]


class Taken:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def take(self, event: Event) -> None:
        self.events.append(event)


async def body(pause: float, stop: int) -> AsyncIterator[bytes]:
    for piece in PIECES[:stop]:
        await asyncio.sleep(pause)
        yield piece
    await asyncio.sleep(0.0 if stop == len(PIECES) else 3600.0)


def receive(pause: float, stop: int = len(PIECES)) -> bytes:
    taken = Taken()
    virtual_time.run(stow.receive(body(pause, stop), TYPE, cast("Any", taken)))
    return b"".join(event for event in taken.events if isinstance(event, bytes))


def test_a_body_may_take_longer_than_a_pause_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stow, "IDLE_SECONDS", 30.0)
    assert receive(29.0) == b"012345678"


def test_a_body_that_stops_coming_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stow, "IDLE_SECONDS", 0.3)
    with pytest.raises(TransportError, match=r"no byte of the request for 0\.3 s"):
        receive(0.0, 5)
