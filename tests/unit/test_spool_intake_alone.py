"""An association that is alone: committed at once, on its way to the disk early."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.spool.intake import AT_ONCE, BEGIN
from engine.spool.layout import object_id
from engine.spool.writeback import Writeback
from tests.support.intake import Door

NAME = object_id("0" * 16, 1)
OTHER = object_id("0" * 16, 2)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.intake.close()


def test_an_association_that_is_alone_is_committed_at_once_and_as_durably(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    threads: set[int] = set()

    def spy(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*arguments: object, **more: object) -> object:
            done.append(name)
            threads.add(threading.get_ident())
            return real(*arguments, **more)

        return call

    door.intake.alone = True
    small = door.take(NAME, bytes(AT_ONCE))
    large = door.take(OTHER, bytes(AT_ONCE + 1))
    monkeypatch.setattr(Writeback, "finish", lambda _self, _fd: done.append("finish"))
    for name in ("rename", "fsync"):
        monkeypatch.setattr(os, name, spy(name))
    door.intake.commit(small)
    assert door.told == [(NAME, None)]
    assert done == ["finish", "rename", "fsync"]
    assert threads == {threading.get_ident()}
    assert [len(group.results) for group in door.after] == [1]
    door.intake.commit(large)
    assert door.settle(2)[1] == (OTHER, None)
    assert len(threads) == 2


def test_the_way_to_the_disk_begins_early_when_alone(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(Writeback, "begin", lambda _self, _fd, at, count: begun.append((at, count)))
    for alone in (False, True):
        door.intake.alone = alone
        incoming = door.take(NAME, bytes(BEGIN - 1))
        door.intake.write(incoming, [b"x"], 1)
        door.intake.write(incoming, [bytes(BEGIN + 5)], BEGIN + 5)
        door.intake.write(incoming, [b"x"], 1)
        door.intake.discard(incoming)
    assert begun == [(0, BEGIN), (BEGIN, BEGIN + 5)]
