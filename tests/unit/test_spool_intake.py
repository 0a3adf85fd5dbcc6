"""The door of the spool: durable before it is told, nothing left of what was not."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import SpoolError
from engine.spool.intake import EARLY, RESERVE, Group
from engine.spool.layout import object_id
from engine.spool.nursery import FILES, Nursery
from engine.spool.writeback import Writeback
from tests.support.intake import Door

NAME = object_id("0" * 16, 1)
OTHER = object_id("0" * 16, 2)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.intake.close()


def test_an_object_is_in_received_when_it_is_told(door: Door) -> None:
    incoming = door.take(NAME, b"0123456789")
    assert door.names() == ([f"{NAME}.part"], [])
    door.intake.commit(incoming)
    assert door.settle() == [(NAME, None)]
    assert door.names() == ([], [f"{NAME}.dcm"])
    assert door.spool.arrival(NAME).read_bytes() == b"0123456789"
    assert door.budget.used() == 10


def test_the_order_is_sync_rename_sync_of_the_folder_answer(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def spy(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*arguments: object, **more: object) -> object:
            done.append(name)
            return real(*arguments, **more)

        return call

    group = [door.take(NAME, b"abcdef"), door.take(OTHER, b"abcdef")]
    alone = door.take(object_id("0" * 16, 3), b"abcdef")
    monkeypatch.setattr(Writeback, "finish", lambda _self, _fd: done.append("finish"))
    for name in ("rename", "fsync"):
        monkeypatch.setattr(os, name, spy(name))

    def tell(told: Group) -> None:
        done.append("tell")
        door.groups.put(told)

    monkeypatch.setattr(door.intake, "_tell", tell)
    assert door.intake._commit(group, door.intake._received) == [None, None]
    assert done == ["finish", "finish", "rename", "rename", "fsync"]
    done.clear()
    door.intake.commit(alone)
    door.settle(1)
    assert done == ["finish", "rename", "fsync", "tell"]


def test_a_group_shares_the_sync_of_the_folder(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def count(fd: int) -> None:
        synced.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fsync", count)
    objects = [door.take(object_id("0" * 16, n), b"abcdef") for n in range(20)]
    errors = door.intake._commit(objects, door.intake._received)
    assert errors == [None] * 20
    assert len(synced) == 1


def test_with_flush_nothing_is_synced_and_the_answer_comes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from engine import log

    log.configure()
    door = Door(tmp_path, "flush")

    def never(fd: int) -> None:
        raise AssertionError("synced")

    monkeypatch.setattr(Writeback, "finish", lambda _self, fd: never(fd))
    monkeypatch.setattr(os, "fsync", never)
    door.intake.commit(door.take(NAME, b"abcdef"))
    assert door.told == [(NAME, None)]
    assert door.names() == ([], [f"{NAME}.dcm"])
    door.intake.close()
    assert "durability-flush" in capsys.readouterr().err


def test_a_failed_sync_is_never_tried_again_and_refuses_everything_after_it(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def fail(_: Writeback, fd: int) -> None:
        calls.append(fd)
        raise OSError(errno.EIO, "no")

    first, second = door.take(NAME, b"abcdef"), door.take(OTHER, b"abcdef")
    with monkeypatch.context() as patch:
        patch.setattr(Writeback, "finish", fail)
        door.intake.commit(first)
        assert [(name, error.code if error else "") for name, error in door.settle(1)] == [
            (NAME, "sync-failed")
        ]
    assert door.intake.broken
    door.intake.commit(second)  # the disk is well again, but nobody can know what it lost
    assert [error.code if error else "" for _, error in door.settle(2)] == ["sync-failed", "sync-failed"]
    with pytest.raises(SpoolError, match="nothing more"):
        door.intake.begin(object_id("0" * 16, 3))
    assert len(calls) == 1
    assert door.names() == ([], [])
    assert door.budget.used() == 0


def test_a_long_object_is_synced_while_it_comes(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Event()
    real = os.fdatasync

    def sync(fd: int) -> None:
        real(fd)
        synced.set()

    monkeypatch.setattr(os, "fdatasync", sync)
    incoming = door.take(NAME, b"abcdef")
    door.intake.write(incoming, [bytes(EARLY - 7)], EARLY - 7)
    assert not synced.wait(0.05)
    door.intake.write(incoming, [b"x"], 1)
    assert synced.wait(60)
    door.intake.commit(incoming)
    assert door.settle() == [(NAME, None)]


def test_an_early_sync_that_fails_refuses_the_object_though_the_last_one_succeeds(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "no")

    incoming = door.take(NAME, b"abcdef")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        door.intake.write(incoming, [bytes(EARLY)], EARLY)
        until = time.monotonic() + 60
        while not door.intake.broken and time.monotonic() < until:
            time.sleep(0.01)
    door.intake.commit(incoming)
    assert [error.code if error else "" for _, error in door.settle()] == ["sync-failed"]
    assert door.names() == ([], [])


def test_a_failed_sync_of_the_folder_refuses_the_whole_group(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "no")

    objects = [door.take(NAME, b"abcdef"), door.take(OTHER, b"abcdef")]
    monkeypatch.setattr(os, "fsync", fail)
    errors = door.intake._commit(objects, door.intake._received)
    assert [error.code if error else "" for error in errors] == ["sync-failed"] * 2
    assert door.intake.broken


def test_a_discarded_object_leaves_nothing(door: Door) -> None:
    door.intake.discard(door.take(NAME, b"abcdef"))
    assert door.names() == ([], [])
    assert door.budget.used() == 0


def test_an_object_that_outgrows_the_budget_is_refused(tmp_path: Path) -> None:
    door = Door(tmp_path, max_bytes=3 * RESERVE)
    big, other = door.take(NAME, bytes(RESERVE)), door.take(OTHER, b"abcdef")
    door.intake.write(big, [bytes(RESERVE)], RESERVE)
    with pytest.raises(SpoolError) as caught:
        door.intake.write(big, [b"x"], 1)
    assert caught.value.code == "spool-full"
    assert caught.value.retryable
    door.intake.discard(big)
    door.intake.discard(other)
    assert door.budget.used() == 0
    door.intake.close()


def test_an_object_larger_than_the_whole_spool_is_told_apart(tmp_path: Path) -> None:
    door = Door(tmp_path, max_bytes=2 * RESERVE)
    incoming = door.take(NAME, bytes(RESERVE))
    with pytest.raises(SpoolError) as caught:
        door.intake.write(incoming, [bytes(RESERVE + 1)], RESERVE + 1)
    assert caught.value.code == "object-too-large"
    assert not caught.value.retryable
    door.intake.discard(incoming)
    door.intake.close()


def test_a_full_budget_refuses_before_a_file_is_made(tmp_path: Path) -> None:
    door = Door(tmp_path, max_bytes=RESERVE + 1)
    first = door.take(NAME, b"abcdef")
    with pytest.raises(SpoolError) as caught:
        door.intake.begin(OTHER)
    assert caught.value.code == "spool-full"
    door.intake.discard(first)
    door.intake.commit(door.take(OTHER, b"abcdef"))
    assert door.settle() == [(OTHER, None)]
    door.intake.close()


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk-full"),
        (errno.EDQUOT, "quota-exceeded"),
        (errno.EIO, "disk-error"),
        (errno.EFBIG, "spool-write-failed"),
    ],
)
def test_a_write_that_fails_is_named_by_its_reason(
    door: Door, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    incoming = door.take(NAME, b"abcdef")

    def fail(fd: int, spans: object) -> int:
        raise OSError(number, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", fail)
        with pytest.raises(SpoolError) as caught:
            door.intake.write(incoming, [b"x"], 1)
    assert caught.value.code == code
    door.intake.discard(incoming)


def test_a_write_that_stops_short_is_finished(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.writev
    for short in range(10):
        name = object_id("0" * 16, 10 + short)
        incoming = door.intake.begin(name)
        incoming.done = lambda error: door.told.append(("", error))
        with monkeypatch.context() as patch:
            patch.setattr(
                os, "writev", lambda fd, spans, n=short: real(fd, [b"".join(spans)[:n]]) if n else 0
            )
            door.intake.write(incoming, [b"012", b"3456", b"", b"789"], 10)
        door.intake.commit(incoming)
        door.settle(short + 1)
        assert door.spool.arrival(name).read_bytes() == b"0123456789"


def test_a_file_that_cannot_be_named_is_refused_and_removed(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    incoming = door.take(NAME, b"abcdef")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", fail)
        (error,) = door.intake._commit([incoming], door.intake._received)
    assert error is not None and error.code == "disk-full"
    assert not door.intake.broken
    assert door.names() == ([], [])


def test_closing_finishes_what_is_queued(tmp_path: Path) -> None:
    door = Door(tmp_path)
    for number in range(5):
        door.intake.commit(door.take(object_id("0" * 16, number), b"abcdef"))
    door.intake.close()
    assert len(door.names()[1]) == 5
    assert [error for _, error in door.settle(5)] == [None] * 5


def test_files_are_born_in_a_new_folder_every_so_often_and_leave_it_empty(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    folder = os.open(target, os.O_RDONLY)
    nursery = Nursery(tmp_path, "receiver")
    for number in range(2 * FILES + 1):
        descriptor = nursery.create(f"{number}", folder)
        os.write(descriptor, b"x")
        os.close(descriptor)
    assert len(list(target.iterdir())) == 2 * FILES + 1
    assert [path.name for path in (tmp_path / "nursery" / "receiver").iterdir()] == ["2"]
    nursery.close()
    assert not (tmp_path / "nursery" / "receiver").exists()
    with pytest.raises(OSError):
        nursery.create("late", folder)
    os.close(folder)


def test_a_predecessors_birthplace_is_emptied(tmp_path: Path) -> None:
    old = tmp_path / "nursery" / "receiver" / "7"
    old.mkdir(parents=True)
    (old / "new").write_bytes(b"x")
    Nursery(tmp_path, "receiver").close()
    assert not old.exists()


FULL_DISK = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.support.intake import Door
from engine.errors import SpoolError
from engine.spool.layout import object_id
door = Door(Path(sys.argv[1]), max_bytes=10**9)
kept = refused = 0
for number in range(12):
    try:
        incoming = door.intake.begin(object_id("0" * 16, number))
        incoming.done = lambda error: door.told.append(("", error))
        door.intake.write(incoming, [bytes(300_000)], 300_000)
    except SpoolError as error:
        assert error.code == "disk-full", error.code
        refused += 1
        door.intake.discard(incoming)
        continue
    door.intake.commit(incoming)
    door.settle(kept + 1)
    kept += 1
assert door.names()[0] == []
print(kept, refused, len(door.names()[1]))
for path in door.spool.received.iterdir():
    path.unlink()
door.intake.commit(door.take(object_id("1" * 16, 0), b"abcdef"))
print(door.settle(kept + 1)[-1][1])
"""


def test_a_disk_that_really_fills_refuses_and_heals(tmp_path: Path, root: Path) -> None:
    script = (
        f"mount -t tmpfs -o size=2m,mode=700 tmpfs {tmp_path} && exec {sys.executable} - {tmp_path} {root}"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], input=FULL_DISK, capture_output=True, text=True, check=False
    )
    if "unshare" in done.stderr and "Operation not permitted" in done.stderr:
        pytest.skip("no user namespaces here: a small disk cannot be made")
    assert done.returncode == 0, done.stderr
    counts, healed = done.stdout.splitlines()
    kept, refused, there = map(int, counts.split())
    assert kept == there == 6
    assert refused == 6
    assert healed == "None"
