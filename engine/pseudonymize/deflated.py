"""Deflated data sets (PS3.5 A.5): inflated within a bound, and deflated again."""

from __future__ import annotations

import os
import zlib

from engine.errors import Refusal

INFLATE_LIMIT = 32 << 20
"""Bytes of an inflated data set, the most that is held in memory."""

_PIECE = 256 << 10


def inflate(fd: int, size: int, start: int) -> bytes:
    """The data set of a deflated object. Raises Refusal `inflate-limit` (also for a bomb, whose rest is never inflated),
    `bad-deflate`, `truncated`."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    found = bytearray()
    at = start
    try:
        while not engine.eof:
            data = engine.unconsumed_tail
            if not data:
                data = os.pread(fd, min(_PIECE, size - at), at)
                at += len(data)
            part = engine.decompress(data, _PIECE)
            # At the end of the input, zlib may still hold output that did not fit into the piece before.
            if not data and not part:
                raise Refusal("truncated", "the deflated data set has no end", offset=at)
            if len(found) + len(part) > INFLATE_LIMIT:
                raise Refusal(
                    "inflate-limit", f"the data set inflates to more than {INFLATE_LIMIT} bytes", offset=at
                )
            found += part
    except zlib.error:
        raise Refusal("bad-deflate", "the data set is no deflate stream", offset=at) from None
    return bytes(found)


def deflate(data: bytes) -> bytes:
    """A raw deflate stream, padded to even length with a NUL as PS3.5 A.5 asks."""
    engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    stream = engine.compress(data) + engine.flush()
    return stream + b"\0" if len(stream) & 1 else stream
