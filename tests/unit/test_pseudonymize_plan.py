"""Applying a plan: the output is head, kept spans, zeros and tail; what goes wrong on the way is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.errors import SpoolError
from engine.pseudonymize import plan as plans
from engine.pseudonymize.plan import ZEROS, ObjectPlan, write_plan

SOURCE = bytes(range(256)) * 40
PLAN = ObjectPlan(
    head=b"head",
    spans=((10, 100), (ZEROS, 7), (500, 9000)),
    tail=b"tail",
    body_tag=0x7FE00010,
    body_header=b"",
    size=0,
    transfer_syntax="",
    sop_class_uid="",
    sop_instance_uid="",
    study_instance_uid="",
    series_instance_uid="",
    hashed_id="",
    counts={},
)
RIGHT = b"head" + SOURCE[10:110] + bytes(7) + SOURCE[500:9500] + b"tail"


@pytest.fixture
def source(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "source").write_bytes(SOURCE)
    descriptor = os.open(tmp_path / "source", os.O_RDWR)
    yield descriptor
    os.close(descriptor)


def applied(plan: ObjectPlan, source: int, path: Path, before: bytes = b"") -> bytes:
    target = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.write(target, before)
        write_plan(plan, source, target)
        return os.pread(target, 1 << 20, 0)
    finally:
        os.close(target)


def test_the_output_is_head_spans_zeros_and_tail(source: int, tmp_path: Path) -> None:
    assert applied(PLAN, source, tmp_path / "target") == RIGHT
    assert applied(PLAN, source, tmp_path / "behind", b"before") == b"before" + RIGHT
    assert applied(replace(PLAN, spans=(), tail=b""), source, tmp_path / "head") == b"head"


def test_the_position_of_the_source_does_not_matter(source: int, tmp_path: Path) -> None:
    os.lseek(source, 77, os.SEEK_SET)
    assert applied(PLAN, source, tmp_path / "target") == RIGHT


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_the_kernel_cannot_copy_between_two_files_it_is_sent(
    source: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    asked = []

    def fails(*_: int) -> int:
        asked.append(1)
        raise OSError(number, "no")

    monkeypatch.setattr(plans, "_copy_range", fails)
    assert applied(PLAN, source, tmp_path / "target") == RIGHT
    assert len(asked) == 2, "once a span"


def test_short_writes_and_copies_go_on(source: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, copy = os.write, plans._copy_range
    monkeypatch.setattr(os, "write", lambda target, data: write(target, bytes(data)[:3]))
    monkeypatch.setattr(plans, "_copy_range", lambda s, t, offset, count: copy(s, t, offset, min(count, 11)))
    assert applied(PLAN, source, tmp_path / "target") == RIGHT


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("step", ["write", "copy"])
def test_a_full_or_broken_disk_is_told_as_it_is(
    source: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    def fails(*_: object) -> int:
        raise OSError(number, "no")

    if step == "copy":
        monkeypatch.setattr(plans, "_copy_range", fails)
    else:
        monkeypatch.setattr(plans, "_write_all", fails)
    with pytest.raises(OSError) as caught:
        applied(PLAN, source, tmp_path / "target")
    assert caught.value.errno == number


def test_a_device_without_room_is_told(source: int) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError) as caught:
            write_plan(PLAN, source, full)
        assert caught.value.errno == errno.ENOSPC
    finally:
        os.close(full)


@pytest.mark.parametrize("how", ["copied", "sent"])
@pytest.mark.parametrize("size", [0, 10, 50, 9499])
def test_a_source_that_became_shorter_is_told(
    source: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, how: str
) -> None:
    if how == "sent":
        monkeypatch.setattr(plans, "_copy_range", plans._send)
    os.ftruncate(source, size)
    with pytest.raises(SpoolError) as caught:
        applied(PLAN, source, tmp_path / "target")
    assert caught.value.code == "source-changed"
    assert caught.value.offset is not None
    assert caught.value.offset >= size
