"""The body of a STOW-RS request (PS3.18 10.5.1.2): several objects as multipart/related, streamed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence

from engine.uploader.outgoing import OutgoingObject

_SMALL = 1 << 16
_PART = "\r\n--{boundary}\r\nContent-Type: application/dicom\r\nContent-Length: {size}\r\n\r\n"


class RequestBody:
    """The bytes of one request, at least one object. The length is known before a byte is read, so nothing is
    chunked. `current` is the object that is being sent.
    """

    def __init__(self, objects: Sequence[OutgoingObject]) -> None:
        boundary = secrets.token_hex(16)
        self._objects = objects
        self.current = objects[0]
        self._begins = [_PART.format(boundary=boundary, size=item.size).encode("ascii") for item in objects]
        self._begins[0] = self._begins[0][2:]  # no line break before the first boundary
        self._end = f"\r\n--{boundary}--\r\n".encode("ascii")
        self.content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
        self.length = sum(map(len, self._begins)) + sum(item.size for item in objects) + len(self._end)

    def chunks(self) -> Iterator[bytes]:
        """The body in pieces, of which few are small: each costs a write. Raises what OutgoingObject.chunks
        raises.
        """
        small = bytearray()
        for begin, item in zip(self._begins, self._objects, strict=True):
            self.current = item
            small += begin
            for piece in item.chunks():
                if len(piece) < _SMALL:
                    small += piece
                    continue
                if small:
                    yield bytes(small)
                    small.clear()
                yield piece
            if len(small) >= _SMALL:
                yield bytes(small)
                small.clear()
        yield bytes(small + self._end)
