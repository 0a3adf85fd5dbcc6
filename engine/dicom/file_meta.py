"""The file meta that Penstock writes (PS3.10 section 7.1): always its own, never the source's."""

from __future__ import annotations

import struct
from functools import lru_cache

IMPLEMENTATION_CLASS_UID = b"2.25.236906484215790412908375460274838610273"
IMPLEMENTATION_VERSION_NAME = b"PENSTOCK_0"
PRIVATE_INFORMATION_CREATOR_UID = b"2.25.101731936824075916385044291758366291040"
PREAMBLE = bytes(128) + b"DICM"
_GROUP_LENGTH = len(PREAMBLE) + 8  # where the value of (0002,0000) stands


def _element(tag: int, vr: bytes, value: bytes, pad: bytes = b"\0") -> bytes:
    if len(value) & 1:
        value += pad
    if vr == b"OB":
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


@lru_cache(maxsize=256)
def _before(sop_class_uid: bytes) -> bytes:
    version = _element(0x00020001, b"OB", b"\0\1")
    return version + (_element(0x00020002, b"UI", sop_class_uid) if sop_class_uid else b"")


@lru_cache(maxsize=64)
def _after(transfer_syntax: bytes) -> bytes:
    return (
        _element(0x00020010, b"UI", transfer_syntax)
        + _element(0x00020012, b"UI", IMPLEMENTATION_CLASS_UID)
        + _element(0x00020013, b"SH", IMPLEMENTATION_VERSION_NAME, b" ")
    )


def file_meta(
    sop_class_uid: bytes, sop_instance_uid: bytes, transfer_syntax: bytes, source_ae_title: bytes = b""
) -> bytes:
    """A preamble of 128 zero bytes, `DICM` and the file meta group; UIDs and AE title as ASCII without padding.

    What is empty is left out, so that a reader is not shown a value nobody knows. `source_ae_title` is for what waits in a spool:
    it says who sent the object, and so which route it takes. An output never has it.
    """
    instance = _element(0x00020003, b"UI", sop_instance_uid) if sop_instance_uid else b""
    source = _element(0x00020016, b"AE", source_ae_title, b" ") if source_ae_title else b""
    group = _before(sop_class_uid) + instance + _after(transfer_syntax) + source
    return PREAMBLE + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(group)) + group


class FileMeta:
    """`file_meta` for many instances of one SOP class in one transfer syntax, made of pieces that are ready."""

    def __init__(self, sop_class_uid: bytes, transfer_syntax: bytes) -> None:
        self._about = (sop_class_uid, transfer_syntax)
        self._around: dict[
            int, tuple[bytes, bytes]
        ] = {}  # by the length of the UID: what stands before and after it

    def of(self, sop_instance_uid: bytes) -> bytes:
        """The same as `file_meta` makes; the UID has at most 64 bytes (PS3.5 9.1)."""
        length = len(sop_instance_uid)
        around = self._around.get(length)
        if around is None:
            sop_class, transfer_syntax = self._about
            whole = file_meta(sop_class, b"\xff" * length, transfer_syntax)
            before, _, after = whole.partition(b"\xff" * length) if length else (whole, b"", b"")
            around = self._around[length] = (before, after)
        return around[0] + sop_instance_uid + around[1]


def padded(meta: bytes, count: int) -> bytes:
    """`meta`, as `file_meta` makes it, longer by `count` bytes: zeros in Private Information (0002,0102), which readers skip.

    What follows it in a file can so be brought to an offset that suits the disk. `count` is even and at least PADDING_LEAST;
    ValueError if it is not.
    """
    if count < PADDING_LEAST or count & 1:
        raise ValueError(f"padding is even and at least {PADDING_LEAST} bytes")
    (length,) = struct.unpack_from("<I", meta, _GROUP_LENGTH)
    zeros = _element(0x00020102, b"OB", bytes(count - PADDING_LEAST))
    return (
        meta[:_GROUP_LENGTH]
        + struct.pack("<I", length + count)
        + meta[_GROUP_LENGTH + 4 :]
        + _CREATOR
        + zeros
    )


_CREATOR = _element(0x00020100, b"UI", PRIVATE_INFORMATION_CREATOR_UID)
PADDING_LEAST = len(_CREATOR) + len(_element(0x00020102, b"OB", b""))
"""Bytes of a Private Information that holds nothing, with its creator."""
