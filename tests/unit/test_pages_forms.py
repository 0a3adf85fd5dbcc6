"""Forms are read into memory, bounded, and what was typed is in no error and no repr."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.types import Message

from engine.pages.forms import Form, FormError, read_form

URLENCODED = "application/x-www-form-urlencoded"
SECRET_ID = "CANARY-0815"


def _request(body: bytes, content_type: str, piece: int = 1000) -> Request:
    pieces: Iterator[bytes] = iter([body[i : i + piece] for i in range(0, len(body), piece)] or [b""])

    async def receive() -> Message:
        part = next(pieces, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


def _read(body: bytes, content_type: str = URLENCODED, most_bytes: int = 10_000) -> Form:
    return asyncio.run(read_form(_request(body, content_type), most_bytes))


def _multipart(*parts: tuple[str, bytes]) -> tuple[bytes, str]:
    whole = b"".join(
        b"--frontier\r\nContent-Disposition: form-data; " + named.encode() + b"\r\n\r\n" + content + b"\r\n"
        for named, content in parts
    )
    return whole + b"--frontier--\r\n", "multipart/form-data; boundary=frontier"


def test_fields_keep_their_order_their_zeros_and_their_letters() -> None:
    form = _read(b"ids=00123%0D%0AM%C3%BCller&role=auditor&role=researcher&empty=")
    assert form.text("ids") == "00123\r\nMüller"
    assert form.all("role") == ["auditor", "researcher"]
    assert form.text("empty", "x") == ""
    assert form.text("absent", "x") == "x"


def test_a_file_comes_with_its_name_and_an_unchosen_file_is_none() -> None:
    body, kind = _multipart(
        ('name="csrf"', b"t"),
        ('name="file"; filename="../../etc/passwd"', b"\xff\x00\r\n--fron"),
        ('name="other"; filename=""', b""),
    )
    form = _read(body, kind)
    upload = form.file("file")
    assert upload is not None
    assert (upload.name.rsplit("/", 1)[-1], upload.content) == ("passwd", b"\xff\x00\r\n--fron")
    assert form.file("other") is None
    assert form.text("csrf") == "t"


def test_a_form_is_parsed_once_and_kept_with_its_request() -> None:
    request = _request(b"a=1", URLENCODED)

    async def twice() -> tuple[Form, Form]:
        first = await read_form(request)
        return first, await read_form(Request(request.scope))

    first, second = asyncio.run(twice())
    assert first is second


def test_a_form_that_is_too_long_is_read_to_its_end_and_refused() -> None:
    request = _request(b"ids=" + b"1" * 50_000, URLENCODED)
    with pytest.raises(FormError) as refused:
        asyncio.run(read_form(request, 20_000))
    assert refused.value.code == "form-too-large"

    async def rest() -> bytes:
        return bytes((await request.receive()).get("body", b""))

    assert asyncio.run(rest()) == b""


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{}", "application/json", "form-type"),
        (b"a=1", "", "form-type"),
        (SECRET_ID.encode(), URLENCODED, "form-malformed"),
        (b"ids=%FF" + SECRET_ID.encode(), URLENCODED, "form-malformed"),
        (b"ids=\xff" + SECRET_ID.encode(), URLENCODED, "form-malformed"),
        (b"&".join(b"a=1" for _ in range(300)), URLENCODED, "form-malformed"),
        (SECRET_ID.encode(), "multipart/form-data; boundary=frontier", "form-malformed"),
        (b"", "multipart/form-data", "form-malformed"),
        (_multipart(('name="ids"', SECRET_ID.encode()))[0][:-20], "multipart/form-data; boundary=frontier", "form-malformed"),
        (_multipart(('name="ids"', b"\xff" + SECRET_ID.encode()))[0], "multipart/form-data; boundary=frontier", "form-malformed"),
    ],
)  # fmt: skip
def test_what_no_browser_sends_is_refused_without_showing_it(body: bytes, kind: str, code: str) -> None:
    with pytest.raises(FormError) as refused:
        _read(body, kind)
    assert refused.value.code == code
    shown: BaseException | None = refused.value
    while shown is not None:  # neither the error nor what a log would print as its cause
        assert SECRET_ID not in str(shown)
        shown = shown.__cause__ or shown.__context__


def test_nothing_that_was_typed_shows_in_a_repr() -> None:
    body, kind = _multipart(
        ('name="ids"', SECRET_ID.encode()), ('name="f"; filename="a.csv"', SECRET_ID.encode())
    )
    form = _read(body, kind)
    assert SECRET_ID not in repr(form) + repr(form.file("f"))


def test_an_upload_makes_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))
    body, kind = _multipart(('name="file"; filename="a.csv"', b"1" * 3_000_000))
    upload = _read(body, kind, 4 << 20).file("file")
    assert upload is not None
    assert len(upload.content) == 3_000_000
