"""Metadata of stored objects (PS3.18 10.4.1.1.2): their heads as DICOM JSON, without bulk data.

Of an object only the head is decrypted. Binary values longer than SHORT bytes are left out with their element's VR kept, as is
everything from the body on.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any

import orjson
from pydicom import Dataset
from pydicom.filereader import read_dataset

from engine._native import reader
from engine._native.survey import survey
from engine.errors import SpoolError

SHORT = 1024
MOST_HEAD = 16 << 20
_BULK = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_BODY = 0x7FE00000  # the group of pixel data, and what may stand behind it
_EXPLICIT, _BIG_ENDIAN = 1, 2


def metadata(chunks: Iterator[bytes], length: int, object_id: str) -> bytes:
    """The DICOM JSON of one object of `length` bytes. Raises SpoolError("head-too-long") naming the object."""
    head = bytearray()
    needed = 1 << 16
    for chunk in chunks:
        head += chunk
        if len(head) < min(needed, length):
            continue
        try:
            return _json(bytes(head), length)
        except reader.NeedMore as need:
            needed = max(need.upto, 2 * len(head))
        except reader.Refused:
            break
        if len(head) >= MOST_HEAD:
            break
    raise SpoolError(
        "head-too-long", f"the head of the stored object {object_id} is too long or not readable"
    )


def _json(head: bytes, length: int) -> bytes:
    meta = reader.read_meta(head, length)
    if meta.deflated:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        data = inflater.decompress(memoryview(head)[meta.start :], MOST_HEAD)
        size, start, syntax = len(data) if inflater.eof else 1 << 62, 0, _EXPLICIT
    else:
        data, size, start, syntax = head, length, meta.start, meta.syntax
    end = survey(data, size, start, syntax, (), _BODY - 1).end
    ds = read_dataset(
        io.BytesIO(data[start:end]),
        is_implicit_VR=not syntax & _EXPLICIT,
        is_little_endian=not syntax & _BIG_ENDIAN,
    )
    model = _without_bulk(ds).to_json_dict(suppress_invalid_tags=True)
    model["00083002"] = {"vr": "UI", "Value": [meta.transfer_syntax]}  # Available Transfer Syntax UID
    return orjson.dumps(model, option=orjson.OPT_SORT_KEYS)


def _without_bulk(ds: Dataset) -> Dataset:
    def shorten(_ds: Dataset, element: Any) -> None:
        if element.VR in _BULK and isinstance(element.value, bytes) and len(element.value) > SHORT:
            element.value = b""

    ds.walk(shorten)
    return ds
