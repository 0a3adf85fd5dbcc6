"""An object cut into P-DATA-TF PDUs for C-STORE: whatever its pieces and the peer's longest PDU, the data set arrives whole."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine._native.upper_layer import decode_command
from engine.dicom.file_meta import file_meta
from engine.pseudonymize.plan import ZEROS, ObjectPlan
from engine.pseudonymize.sidecar import Sidecar
from engine.uploader.dicom import _Sending
from engine.uploader.outgoing import Key, OutgoingObject

CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
PDV_HEADER = 6
CHARSET = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 192"
META = file_meta(CT.encode(), b"2.25.1", EXPLICIT.encode())


class Wire(socket.socket):
    """Keeps what is written to it, and takes now and then less than was given."""

    def __init__(self, stingy: bool) -> None:
        super().__init__()
        self.got = bytearray()
        self._stingy = stingy

    def sendmsg(self, buffers: object, *_: object) -> int:
        whole = b"".join(buffers)  # type: ignore[arg-type]
        taken = whole[: max(1, len(whole) // 2)] if self._stingy else whole
        self.got += taken
        return len(taken)

    def sendall(self, data: object, *_: object) -> None:
        self.got += bytes(data)  # type: ignore[call-overload]


def outgoing(
    folder: Path, head: bytes, spans: list[tuple[int, bytes]], tail: bytes
) -> tuple[OutgoingObject, bytes]:
    """An object with these kept spans (an offset of 0 or more, or ZEROS), and the bytes that it is."""
    source = b"".join(content for kind, content in spans if kind != ZEROS)
    path = folder / "original"
    path.write_bytes(source)
    at, placed, whole = 0, [], META + head
    for kind, content in spans:
        placed.append((ZEROS if kind == ZEROS else at, len(content)))
        at += 0 if kind == ZEROS else len(content)
        whole += bytes(len(content)) if kind == ZEROS else content
    whole += tail
    plan = ObjectPlan(
        META + head,
        tuple(placed),
        tail,
        None,
        b"",
        len(whole),
        EXPLICIT,
        CT,
        "2.25.1",
        "1",
        "1",
        "a" * 32,
        {},
    )
    return OutgoingObject(Key("0" * 32, "x"), Sidecar(plan, at), os.open(path, os.O_RDONLY)), whole


def pdus(data: bytes) -> list[tuple[bool, bool, bytes]]:
    """(is a command, is the last, fragment) of each PDU, which has one PDV."""
    found, at = [], 0
    while at < len(data):
        kind, length, pdv, context, flags = struct.unpack_from(">BxLLBB", data, at)
        assert (kind, pdv + 4, context) == (4, length, 3)
        found.append((bool(flags & 1), bool(flags & 2), data[at + 12 : at + 6 + length]))
        at += 6 + length
    return found


@settings(max_examples=150, deadline=None)
@given(
    head=st.binary(min_size=2, max_size=3000),
    spans=st.lists(st.tuples(st.sampled_from([0, ZEROS]), st.binary(min_size=1, max_size=5000)), max_size=4),
    tail=st.binary(max_size=300),
    max_length=st.sampled_from([16, 17, 100, 1024, 4096, 16384, 131072]),
    stingy=st.booleans(),
)
def test_the_data_set_arrives_whole_in_pdus_that_the_peer_takes(
    tmp_path_factory: pytest.TempPathFactory,
    head: bytes,
    spans: list[tuple[int, bytes]],
    tail: bytes,
    max_length: int,
    stingy: bool,
) -> None:
    folder = tmp_path_factory.mktemp("object")
    item, whole = outgoing(folder, CHARSET + head, spans, tail)
    with Wire(stingy) as wire:
        _Sending(item, 3, max_length).send(wire, 7)
        found = pdus(bytes(wire.got))
    item.close()
    command = [fragment for is_command, _, fragment in found if is_command]
    data = [(last, fragment) for is_command, last, fragment in found if not is_command]
    told = decode_command(b"".join(command))
    assert told.message_id == 7
    assert b"".join(fragment for _, fragment in data) == whole[len(META) :]
    assert [last for last, _ in data] == [False] * (len(data) - 1) + [True]
    assert all(len(fragment) + PDV_HEADER <= max_length for _, fragment in data)
    assert all(len(fragment) % 2 == 0 for last, fragment in data if not last)
    assert item.digest  # the file meta is part of it, though it is not sent
