"""The birthplace of files goes on after any error of the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.spool.nursery import FILES, Nursery

Faults = dict[str, int]


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Name of a function of os → how many of its next calls fail with ENOSPC."""
    left: Faults = {}

    def guarded(name: str) -> Any:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if left.get(name, 0):
                left[name] -= 1
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        return call

    for name in ("rename", "unlink", "rmdir", "mkdir", "open"):
        monkeypatch.setattr(os, name, guarded(name))
    return left


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "target").mkdir()
    descriptor = os.open(tmp_path / "target", os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def make(place: Nursery, name: str, target: int) -> None:
    os.close(place.create(name, target))


def test_a_file_is_born_and_moved(tmp_path: Path, target: int) -> None:
    place = Nursery(tmp_path / "run", "receiver")
    for number in range(FILES + 2):
        make(place, str(number), target)
    assert len(list((tmp_path / "target").iterdir())) == FILES + 2
    place.close()
    assert not (tmp_path / "run" / "nursery" / "receiver").exists()


def test_a_file_that_can_neither_be_moved_nor_removed_stops_nobody(
    tmp_path: Path, target: int, faults: Faults
) -> None:
    place = Nursery(tmp_path / "run", "receiver")
    faults.update(rename=1, unlink=1)
    with pytest.raises(OSError):
        make(place, "one", target)
    make(place, "two", target)
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["two"]
    place.close()


@pytest.mark.parametrize("fault", ["rmdir", "mkdir", "open"])
def test_a_move_to_the_next_folder_that_fails_is_repeated(
    tmp_path: Path, target: int, faults: Faults, fault: str
) -> None:
    place = Nursery(tmp_path / "run", "receiver")
    for number in range(FILES):
        make(place, str(number), target)
    held = len(os.listdir("/proc/self/fd"))
    faults[fault] = 1
    if fault == "rmdir":
        make(place, "next", target)
    else:
        with pytest.raises(OSError):
            make(place, "next", target)
        make(place, "next", target)
    make(place, "one more", target)
    assert len(list((tmp_path / "target").iterdir())) == FILES + 2
    assert len(os.listdir("/proc/self/fd")) == held, "a descriptor is lost"
    place.close()


def test_a_file_made_ahead_is_the_next_one(
    tmp_path: Path, target: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Nursery(tmp_path / "run", "receiver")
    for number in range(2 * FILES):
        place.prepare()
        place.prepare()  # one is enough
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", never)
            make(place, str(number), target)
    assert len(list((tmp_path / "target").iterdir())) == 2 * FILES
    held = len(os.listdir("/proc/self/fd"))
    place.prepare()
    place.close()
    assert len(os.listdir("/proc/self/fd")) < held + 1
    assert not (tmp_path / "run" / "nursery" / "receiver").exists()


def never(*_: object, **__: object) -> int:
    raise AssertionError("opened while somebody waits")


def test_what_cannot_be_made_ahead_is_told_when_it_is_needed(
    tmp_path: Path, target: int, faults: Faults
) -> None:
    place = Nursery(tmp_path / "run", "receiver")
    faults["mkdir"] = 2
    place.prepare()
    with pytest.raises(OSError):
        make(place, "one", target)
    place.prepare()
    faults["rename"] = 1
    with pytest.raises(OSError):
        make(place, "one", target)
    make(place, "two", target)
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["two"]
    place.close()
