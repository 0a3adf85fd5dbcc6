"""A rewrite as a value: what to write, and which spans of the source to keep unread."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from engine.errors import SpoolError

PassKey = bytes | Callable[[str], bytes]
"""32 bytes that decide all new UIDs of a pass, or what gives them for the original Study Instance UID ("" if there is none)."""

ZEROS = -1
"""Offset of a span that is no part of the source: so many zero bytes, where pixels are masked."""

PAGE = 4096
"""Bytes. Where source and output offsets are equal modulo it, the kernel copies whole pages, and a file system that can
shares them."""

_COPY_AT_ONCE = 1 << 30
_WORTH_SHARING = 16 * PAGE
_STROKE = 16 * PAGE
_FICLONERANGE = 0x4020940D
_CLONE_RANGE = struct.Struct("=qQQQ")
_NO_COPY_RANGE = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_NO_SHARING = _NO_COPY_RANGE | {errno.ENOTTY, errno.EPERM}


@dataclass(frozen=True, slots=True)
class Survey:
    """What the gateway must know of an object before it has a plan: original UIDs, and who sent it; "" where absent."""

    transfer_syntax: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    source_ae_title: str = ""


class ObjectPlan(msgspec.Struct, frozen=True, gc=False):
    """The output of one object: `head`, then `spans` of the source as (offset, length) in bytes, then `tail`. A span at the
    offset ZEROS is zeros.

    The first span begins with the element `body_tag`, whose header's bytes are `body_header`. All UIDs are the new ones.
    `size` is the length of the whole output in bytes; `counts` holds elements by action
    and may be shared with other plans; `pixels` is "none", "kept" or "masked".
    """

    head: bytes
    spans: tuple[tuple[int, int], ...]
    tail: bytes
    body_tag: int | None
    body_header: bytes
    size: int
    transfer_syntax: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    hashed_id: str
    counts: Mapping[str, int]
    pixels: str = "none"


def write_plan(plan: ObjectPlan, source: int, target: int) -> None:
    """Writes an output: head, kept spans copied inside the kernel, tail. Both arguments are file descriptors; `target` is
    written from its current position on.

    Raises OSError as the kernel gives it, and SpoolError `source-changed` if the source has become shorter.
    """
    _write_all(target, plan.head)
    at = len(plan.head)
    for offset, length in plan.spans:
        if offset == ZEROS:
            _write_all(target, bytes(length))
        elif length >= _WORTH_SHARING and (offset - at) % PAGE == 0:
            _share_or_copy(source, target, offset, length)
        else:
            _copy(source, target, offset, length)
        at += length
    if plan.tail:
        _write_all(target, plan.tail)


def _share_or_copy(source: int, target: int, offset: int, length: int) -> None:
    """A span whose pages are whole pages of the target as well."""
    position = os.lseek(target, 0, os.SEEK_CUR)
    first = min(-offset % PAGE, length)
    shared = _share(source, target, offset + first, position + first, (length - first) & -PAGE)
    if shared:
        _copy(source, target, offset, first)
        first += shared
        os.lseek(target, position + first, os.SEEK_SET)
    else:
        # The kernel takes 16 pages at a time, and into the page cache they go at a stroke where they begin at a multiple.
        first = min(-position % _STROKE, length)
        _copy(source, target, offset, first)
    _copy(source, target, offset + first, length - first)


def _share(source: int, target: int, offset: int, to: int, length: int) -> int:
    """Lets both files have the same blocks (FICLONERANGE, ioctl_ficlonerange(2)); the bytes shared, 0 where it cannot be."""
    try:
        fcntl.ioctl(target, _FICLONERANGE, _CLONE_RANGE.pack(source, offset, length, to))
    except OSError as error:
        if error.errno not in _NO_SHARING:
            raise
        return 0
    return length


def _write_all(target: int, data: bytes) -> None:
    written = os.write(target, data)
    while written < len(data):
        written += os.write(target, memoryview(data)[written:])


def _copy(source: int, target: int, offset: int, length: int) -> None:
    copy = _copy_range
    while length:
        try:
            done = copy(source, target, offset, min(length, _COPY_AT_ONCE))
        except OSError as error:
            if copy is _send or error.errno not in _NO_COPY_RANGE:
                raise
            copy = _send  # two file systems that cannot copy between each other
            continue
        if not done:
            raise SpoolError("source-changed", "the source became shorter while it was copied", offset=offset)
        offset += done
        length -= done


def _copy_range(source: int, target: int, offset: int, count: int) -> int:
    return os.copy_file_range(source, target, count, offset_src=offset)


def _send(source: int, target: int, offset: int, count: int) -> int:
    return os.sendfile(target, source, offset, count)
