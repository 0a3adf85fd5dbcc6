"""One object on its way out: the plan's head, the kept spans of the original, the plan's tail.

Of an original nothing is read but the spans that the plan names, and only after the plan was checked
against it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from blake3 import blake3

from engine.errors import SpoolError
from engine.pseudonymize.plan import ZEROS
from engine.pseudonymize.sidecar import Sidecar, decode
from engine.spool.layout import Spool

READ_AT_ONCE = 1 << 18
_AHEAD = 1 << 24
_SPANS_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Key:
    """Which object: the pass that it is in, and its id in the spool."""

    pass_id: str
    identifier: str


class OutgoingObject:
    """An object that is ready to be sent. Holds the plan and one descriptor; `close` it.

    `chunks` may be taken again for a repeat; `digest` is of the bytes that the last complete run gave.
    """

    def __init__(self, key: Key, sidecar: Sidecar, source: int) -> None:
        self.key = key
        self._plan = sidecar.plan
        self._source = source
        self._digest = b""

    @classmethod
    def open(cls, spool: Spool, key: Key) -> OutgoingObject:
        """Read the plan and check the original against it.

        Raises FileNotFoundError when the object has moved on, SpoolError "sidecar-damaged" or
        "source-changed", and OSError when the disk cannot be read.
        """
        sidecar = decode(spool.plan(key.pass_id, key.identifier).read_bytes())
        source = os.open(spool.original(key.pass_id, key.identifier), os.O_RDONLY | os.O_CLOEXEC)
        try:
            sidecar.check_source(source)
            for offset, length in sidecar.plan.spans[:_SPANS_AHEAD]:
                if offset == ZEROS:
                    continue
                # Lets the disk work ahead while other objects are being sent.
                os.posix_fadvise(source, offset, min(length, _AHEAD), os.POSIX_FADV_WILLNEED)
        except BaseException:
            os.close(source)
            raise
        return cls(key, sidecar, source)

    @property
    def size(self) -> int:
        return self._plan.size

    @property
    def sop_instance_uid(self) -> str:
        return self._plan.sop_instance_uid

    @property
    def head(self) -> bytes:
        """Preamble, file meta and the data set's head, as they are sent."""
        return self._plan.head

    @property
    def sop_class_uid(self) -> str:
        return self._plan.sop_class_uid

    @property
    def study_instance_uid(self) -> str:
        return self._plan.study_instance_uid

    @property
    def series_instance_uid(self) -> str:
        return self._plan.series_instance_uid

    @property
    def hashed_id(self) -> str:
        return self._plan.hashed_id

    @property
    def transfer_syntax(self) -> str:
        return self._plan.transfer_syntax

    @property
    def digest(self) -> str:
        """BLAKE3 of the bytes sent, 64 hexadecimal digits; "" before they were all taken."""
        return self._digest.hex()

    def chunks(self) -> Iterator[bytes]:
        """The object's bytes, in pieces of at most READ_AT_ONCE (the head and the tail are one piece each).

        Raises SpoolError "source-changed" if the original became shorter, and OSError from reading.
        """
        self._digest = b""
        hasher = blake3()
        sent = 0
        for piece in self._pieces():
            hasher.update(piece)
            sent += len(piece)
            yield piece
        if sent != self._plan.size:
            raise SpoolError("source-changed", "the object is not as long as its plan says")
        self._digest = hasher.digest()

    def _pieces(self) -> Iterator[bytes]:
        if self._plan.head:
            yield self._plan.head
        for offset, length in self._plan.spans:
            if offset == ZEROS:  # masked pixels
                yield from (bytes(min(READ_AT_ONCE, length - at)) for at in range(0, length, READ_AT_ONCE))
                continue
            end = offset + length
            while offset < end:
                piece = os.pread(self._source, min(READ_AT_ONCE, end - offset), offset)
                if not piece:
                    raise SpoolError("source-changed", "the original became shorter while it was sent")
                offset += len(piece)
                yield piece
        if self._plan.tail:
            yield self._plan.tail

    def close(self) -> None:
        """Let the original go; `chunks` cannot be used any more."""
        if self._source >= 0:
            os.close(self._source)
            self._source = -1
