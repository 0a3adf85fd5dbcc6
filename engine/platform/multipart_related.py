"""The parts of a `multipart/related` body (RFC 2387) as a stream of events, with bounded buffers.

The `multipart` package parses; added here is what STOW-RS (PS3.18 8.7.1.1) asks of the content type and of
a part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import multipart  # type: ignore[import-untyped]

from engine.errors import Refusal

MOST_PARTS = 1000
_HEADER_BYTES = 1024
_HEADERS = 8
_LONGEST_BOUNDARY = 70
DICOM = "application/dicom"


@dataclass(frozen=True, slots=True)
class PartBegins:
    """A part begins; bytes events follow, and PartEnds."""

    content_type: str


@dataclass(frozen=True, slots=True)
class PartEnds:
    """All bytes of the part were given."""


Event = PartBegins | bytes | PartEnds


class _Parser(multipart.PushMultipartParser):  # type: ignore[misc]
    """The package's parser asks for form data; this hook of it is there to be replaced."""

    def _create_segment(self, headerlist: list[tuple[str, str]]) -> multipart.MultipartSegment:
        return multipart.MultipartSegment(headerlist)


class RelatedParser:
    """Parses one body: `feed` each piece, then `finish`.

    Both raise Refusal("multipart") when the body is not what its content type says: a missing terminator, a
    part whose Content-Length is not its length, a header that is too long, more than MOST_PARTS parts.
    """

    def __init__(self, content_type: str, most_bytes: int) -> None:
        boundary = _boundary(content_type)
        self._parser = _Parser(
            boundary,
            max_header_size=_HEADER_BYTES,
            max_header_count=_HEADERS,
            max_segment_size=most_bytes,
            max_segment_count=MOST_PARTS,
        )

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events of the next piece; take them all before the next piece is fed."""
        if not data:
            return
        try:
            for event in self._parser.parse(data):
                if event is None:
                    yield PartEnds()
                elif isinstance(event, bytes):
                    yield event
                else:
                    yield PartBegins(event.content_type or "")
        except multipart.MultipartError as problem:
            raise Refusal("multipart", f"the request's body is not multipart/related: {problem}") from problem

    def finish(self) -> None:
        """The body is over."""
        try:
            self._parser.close()
        except multipart.MultipartError as problem:
            raise Refusal("multipart", f"the request's body is not whole: {problem}") from problem


def _boundary(content_type: str) -> str:
    kind, options = multipart.parse_options_header(content_type)
    if kind != "multipart/related":
        raise Refusal("content-type", 'the content type must be multipart/related; type="application/dicom"')
    if options.get("type", DICOM).lower() not in {DICOM, "application"}:  # unquoted, it ends at the slash
        raise Refusal("content-type", f"only parts of type {DICOM} are taken")
    boundary = str(options.get("boundary", ""))
    if not 1 <= len(boundary) <= _LONGEST_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise Refusal("content-type", "the content type names no boundary of 1 to 70 characters")
    return boundary
