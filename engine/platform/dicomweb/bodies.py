"""The bodies of WADO-RS answers, made while they are sent: a few chunks of one object are in memory, never more."""

from __future__ import annotations

from collections.abc import Iterator

from engine.platform.dicomweb import heads
from engine.platform.index import IndexRow
from engine.platform.library import Library


def multipart(library: Library, rows: Iterator[IndexRow], boundary: str) -> Iterator[bytes]:
    """multipart/related of objects (RFC 2387). An object that cannot be read whole breaks the body off, so that no client takes
    it for whole: the terminator never comes.
    """
    for row in rows:
        yield (
            f"--{boundary}\r\n"
            f"Content-Type: application/dicom; transfer-syntax={row.transfer_syntax_uid}\r\n"
            f"Content-Length: {row.length}\r\n\r\n"
        ).encode("ascii")
        yield from library.verified(row)
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")


def metadata(library: Library, rows: Iterator[IndexRow]) -> Iterator[bytes]:
    """A JSON array with the metadata of each object. It too breaks off when an object cannot be read."""
    between = b"["
    for row in rows:
        yield between + heads.metadata(library.verified(row), row.length, row.object_id)
        between = b","
    yield b"]"


def begun(pieces: Iterator[bytes], first: int) -> Iterator[bytes]:
    """The same pieces, of which the first few are made now: what goes wrong there can still become an error's status."""
    made = [piece for _, piece in zip(range(first), pieces, strict=False)]

    def all_of_them() -> Iterator[bytes]:
        yield from made
        yield from pieces

    return all_of_them()
