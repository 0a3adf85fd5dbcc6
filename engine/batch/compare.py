"""Is the file that has an output's name that very output, a torn one, or another object?"""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator

from engine.pseudonymize.plan import ZEROS, ObjectPlan

PIECE = 1 << 20  # bytes read at a time
BLOCK = 4096  # a file system loses whole blocks


class Likeness(enum.Enum):
    """`TORN`: every block is the plan's or zeros, and blocks may be missing at the end: what a power cut
    leaves of an output that was not yet synced."""

    SAME = "same"
    TORN = "torn"
    OTHER = "other"


def compare(plan: ObjectPlan, source: int, existing: int) -> Likeness:
    """Compares the bytes that `plan` would write with those of the descriptor `existing`, a piece at a time.

    Raises OSError when either cannot be read."""
    size = os.fstat(existing).st_size
    if size > plan.size:
        return Likeness.OTHER
    verdict = Likeness.SAME if size == plan.size else Likeness.TORN
    at = 0
    for planned in pieces(plan, source):
        if at >= size:
            break
        there = os.pread(existing, len(planned), at)
        if there != planned[: len(there)]:
            if not _torn(planned, there, at):
                return Likeness.OTHER
            verdict = Likeness.TORN
        at += len(planned)
    return verdict


def pieces(plan: ObjectPlan, source: int) -> Iterator[bytes]:
    """The bytes that `plan` would write, at most 1 MiB at a time; they end early if the source does."""
    yield from _cut(plan.head)
    for offset, length in plan.spans:
        for at in range(0, length, PIECE):
            count = min(PIECE, length - at)
            piece = bytes(count) if offset == ZEROS else os.pread(source, count, offset + at)
            yield piece
            if len(piece) < count:
                return
    yield from _cut(plan.tail)


def _cut(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), PIECE):
        yield data[at : at + PIECE]


def _torn(planned: bytes, there: bytes, at: int) -> bool:
    """Whether each block of `there`, whose first byte is byte `at` of the file, is as planned or zeros."""
    start = 0
    while start < len(there):
        end = min(len(there), start + BLOCK - (at + start) % BLOCK)
        block = there[start:end]
        if block != planned[start:end] and block.count(0) != len(block):
            return False
        start = end
    return True
