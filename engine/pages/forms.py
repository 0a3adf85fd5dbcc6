"""Forms as browsers send them, read into memory and nowhere else.

Starlette's own reader puts long uploads into temporary files; a list of Patient IDs must never be in one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import multipart  # type: ignore[import-untyped]
from starlette.requests import Request

from engine.errors import PenstockError

MOST_BYTES = 4 << 20
"""The longest form. A list of as many Patient IDs as one look-up takes is shorter."""
_DRAINED_BYTES = 64 << 20
_MOST_FIELDS = 200
_LONGEST_HEADER = 1024
_SCOPE = "penstock.form"


class FormError(PenstockError):
    """A form that cannot be read. Its message holds nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent with a form. `name` is what the browser called it: show it, never open it."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in. Nothing of it shows in a repr, which could get into a log."""

    fields: dict[str, list[str]] = field(repr=False)
    files: dict[str, Upload] = field(repr=False)

    def text(self, name: str, default: str = "") -> str:
        """The first value of a field."""
        return self.fields.get(name, [default])[0]

    def all(self, name: str) -> list[str]:
        """All values of a field."""
        return self.fields.get(name, [])

    def file(self, name: str) -> Upload | None:
        """The file of a field, None if none was chosen."""
        return self.files.get(name)


async def read_form(request: Request, most_bytes: int = MOST_BYTES) -> Form:
    """The request's form (urlencoded or multipart/form-data), parsed once and kept with the request.

    Raises FormError: "form-too-large" (what follows has been read and thrown away, so that the browser gets
    to show the answer), "form-type", "form-malformed".
    """
    known = request.scope.get(_SCOPE)
    if isinstance(known, Form):
        return known
    kind, options = multipart.parse_options_header(request.headers.get("content-type", ""))
    if kind not in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        raise FormError("form-type", "this is not a form that a browser sends")
    body = await _body(request.stream(), most_bytes)
    form = _urlencoded(body) if kind.startswith("application/") else _multipart(body, options)
    request.scope[_SCOPE] = form
    return form


async def _body(stream: AsyncIterator[bytes], most_bytes: int) -> bytes:
    pieces: list[bytes] = []
    length = 0
    async for piece in stream:
        length += len(piece)
        if length <= most_bytes:
            pieces.append(piece)
        else:
            pieces.clear()
        if length > _DRAINED_BYTES:
            break
    if length > most_bytes:
        message = f"more was sent than the {most_bytes >> 20} MB that a form may have"
        raise FormError("form-too-large", message, hint="send it in smaller parts")
    return b"".join(pieces)


def _urlencoded(body: bytes) -> Form:
    fields: dict[str, list[str]] = {}
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=bool(text),
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:  # its text may show what was typed
        pairs = None
    if pairs is None:
        raise FormError("form-malformed", "the form is not written as browsers write them")
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return Form(fields, {})


def _multipart(body: bytes, options: dict[str, str]) -> Form:
    fields: dict[str, list[str]] = {}
    files: dict[str, Upload] = {}
    try:
        parser = multipart.PushMultipartParser(
            options.get("boundary", ""),
            max_header_size=_LONGEST_HEADER,
            max_segment_count=_MOST_FIELDS,
            strict=True,
        )
        segment: multipart.MultipartSegment | None = None
        content: list[bytes] = []
        for event in parser.parse(body):
            if event is None:
                _take(segment, b"".join(content), fields, files)
                content = []
            elif isinstance(event, (bytes, bytearray)):
                content.append(bytes(event))
            else:
                segment = event
        parser.close()
        whole = True
    except (multipart.MultipartError, UnicodeDecodeError):
        whole = False
    if not whole:
        raise FormError("form-malformed", "the form is not whole, or not written as browsers write them")
    return Form(fields, files)


def _take(
    segment: multipart.MultipartSegment,
    content: bytes,
    fields: dict[str, list[str]],
    files: dict[str, Upload],
) -> None:
    if segment.filename is None:
        fields.setdefault(segment.name, []).append(content.decode("utf-8"))
    elif segment.filename or content:  # a browser sends an empty one where no file was chosen
        files[segment.name] = Upload(segment.filename, content)
