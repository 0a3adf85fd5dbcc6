"""The body of an object: where PixelData ends, and what is kept after it."""

from __future__ import annotations

import os

from blake3 import blake3

from engine._native.reader import Refused, fragments
from engine.errors import Refusal

TAIL_LIMIT = 16 << 20
"""Bytes that may follow PixelData."""

_HOP = 8 << 10
_PIECE = 1 << 20


def body_end(fd: int, size: int, first_item: int, syntax: int) -> tuple[int, bool]:
    """The offset behind encapsulated PixelData (PS3.5 A.4) whose items start at `first_item`, and whether the sequence
    delimiter is there; some writers end a file without it. Reads item headers only.

    Raises Refusal `item-expected`, `truncated`.
    """
    pos, ended = first_item, False
    while pos < size:
        window = os.pread(fd, min(_HOP, size - pos), pos)
        try:
            after, ended = fragments(window, pos, pos, size, syntax)
        except Refused as refused:
            raise Refusal(refused.code, refused.message, offset=refused.offset, tag=refused.tag) from None
        if ended:
            return after, True
        if after == pos:
            raise Refusal(
                "truncated", "the object ends inside its encapsulated pixel data", offset=pos, tag=0x7FE00010
            )
        pos = after
    return pos, False


def read_tail(fd: int, size: int, at: int) -> bytes:
    """What follows the body, without zeros that merely fill a block. Raises Refusal `tail-too-large`, `truncated`."""
    if size - at > TAIL_LIMIT:
        raise Refusal("tail-too-large", f"more than {TAIL_LIMIT} bytes follow the pixel data", offset=at)
    tail = os.pread(fd, size - at, at)
    if len(tail) != size - at:
        raise Refusal("truncated", "the object became shorter while it was read", offset=at)
    return tail if tail.strip(b"\0") else b""


def content_digest(fd: int) -> bytes:
    """BLAKE3 of a whole object, 32 bytes. An object without any SOP Instance UID is named after its content: the same at each
    retry of a pass, on whichever worker, and never that of another object."""
    hasher, at = blake3(), 0
    while piece := os.pread(fd, _PIECE, at):
        hasher.update(piece)
        at += len(piece)
    return hasher.digest()
