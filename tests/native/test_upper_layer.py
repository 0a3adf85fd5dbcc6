"""The PDU stream: whatever sizes a peer and the network choose, the same events and the same bytes come
out."""

from __future__ import annotations

import itertools
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine._native.upper_layer import (
    COMMAND,
    DATA,
    GATHER_BELOW,
    MAX_COMMAND,
    MAX_SMALL_PDU,
    NEED,
    PDU,
    VIOLATION,
    PduStream,
    command_pdus,
    data_header,
)

ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, 6))
RELEASE = bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0))
COMMAND_SET = command_pdus(1, ((0x0002, "1.2.3"), (0x0100, 1), (0x0110, 7), (0x0800, 1)))
Seen = list[tuple[str, bytes]]


def pdv(context: int, control: int, data: bytes) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context, control) + data


def p_data(*pdvs: bytes) -> bytes:
    body = b"".join(pdvs)
    return struct.pack(">BBI", 4, 0, len(body)) + body


def events(stream: PduStream, parts: list[bytes], *, buffer: int = 1 << 20) -> Seen:
    """What comes out when `parts` are read one after the other into one buffer, as the receiver does."""
    view = memoryview(bytearray(buffer))
    seen: Seen = []
    data = b""
    for part in parts:
        view[: len(part)] = part
        stream.feed(view, len(part))
        while (event := stream.next()) != NEED:
            if event == DATA:
                data += b"".join(stream.spans)
                if stream.complete:
                    seen.append(("data", data))
                    data = b""
            elif event == COMMAND:
                seen.append(("command", stream.command))
                stream.expect_data()
            elif event == PDU:
                seen.append(("pdu", stream.pdu))
            else:
                seen.append(("violation", stream.detail.encode()))
                return seen
    return seen


def associated(max_length: int = 1 << 20) -> PduStream:
    stream = PduStream(max_length)
    stream.associate()
    return stream


DATA_SET = random.Random(7).randbytes(701)
CONVERSATION = (
    COMMAND_SET
    + p_data(pdv(1, 0, DATA_SET[:300]))
    + p_data(pdv(1, 0, DATA_SET[300:301]), pdv(1, 0, b""), pdv(1, 0, DATA_SET[301:400]))
    + p_data(pdv(1, 2, DATA_SET[400:]))
    + RELEASE
)
EXPECTED = [("command", COMMAND_SET[12:]), ("data", DATA_SET), ("pdu", RELEASE)]


def test_a_conversation_cut_in_two_at_every_byte_reads_the_same() -> None:
    for cut in range(len(CONVERSATION) + 1):
        assert events(associated(), [CONVERSATION[:cut], CONVERSATION[cut:]]) == EXPECTED, cut


def test_a_conversation_that_comes_byte_by_byte_reads_the_same() -> None:
    assert events(associated(), [bytes((byte,)) for byte in CONVERSATION]) == EXPECTED


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=60_000),
    seed=st.integers(0, 2**32),
    fragment=st.integers(1, 20_000),
    cut=st.integers(1, 30_000),
)
def test_fragments_of_any_size_in_reads_of_any_size_give_the_data_set(
    data: bytes, seed: int, fragment: int, cut: int
) -> None:
    chance = random.Random(seed)
    wire, at = bytearray(COMMAND_SET), 0
    while True:
        pdvs = []
        for _ in range(chance.randint(1, 4)):
            size = chance.randint(0, fragment)
            last = at + size >= len(data) and chance.random() < 0.7
            pdvs.append(pdv(1, 2 if last else 0, data[at : at + size]))
            at += size
            if last:
                break
        wire += p_data(*pdvs)
        if last:
            break
    wire += ABORT
    reads = []
    while wire:
        size = chance.randint(1, cut)
        reads.append(bytes(wire[:size]))
        del wire[:size]
    assert events(associated(), reads) == [("command", COMMAND_SET[12:]), ("data", data), ("pdu", ABORT)]


@pytest.mark.parametrize("size", [0, 1, 2, 100, GATHER_BELOW - 1, GATHER_BELOW, GATHER_BELOW + 1, 50_000])
def test_one_read_never_yields_more_spans_than_its_size_allows(size: int) -> None:
    piece = random.Random(size).randbytes(size)
    count = 400_000 // (size + 6)
    wire = COMMAND_SET + b"".join(p_data(pdv(1, 0, piece)) for _ in range(count))
    stream = associated()
    view = memoryview(bytearray(len(wire)))
    view[:] = wire
    stream.feed(view, len(wire))
    assert stream.next() == COMMAND
    stream.expect_data()
    event = stream.next()
    assert event == (DATA if size else NEED)
    assert b"".join(stream.spans) == piece * count
    assert len(stream.spans) <= len(wire) // GATHER_BELOW + 1


def test_data_bytes_and_pdus_count_what_came() -> None:
    stream = associated()
    events(stream, [CONVERSATION])
    assert stream.data_bytes == len(DATA_SET)
    assert stream.pdus == 5


def test_the_state_inside_messages_and_pdus_is_told() -> None:
    stream = associated()
    told = []
    for part in (b"", COMMAND_SET[:20], COMMAND_SET[20:], p_data(pdv(1, 2, b"ab"))):
        events(stream, [part])
        told.append((stream.inside_message, stream.inside_pdu))
    assert told == [(False, False), (True, True), (True, False), (False, False)]


VIOLATIONS = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 1),
    "TLS": (bytes.fromhex("16030100a5010000a1"), 1),
    "type 0": (bytes(10), 1),
    "type 8": (b"\x08\0\0\0\0\4abcd", 1),
    "a PDU longer than announced": (struct.pack(">BBI", 4, 0, 1031) + bytes(100), 6),
    "4 GB of P-DATA": (struct.pack(">BBI", 4, 0, 0xFFFFFFFF), 6),
    "a 4 GB association request": (struct.pack(">BBI", 1, 0, 0xFFFFFFFF), 6),
    "an association request above the limit": (struct.pack(">BBI", 1, 0, MAX_SMALL_PDU + 1), 6),
    "a release of five bytes": (struct.pack(">BBI", 5, 0, 5) + bytes(5), 6),
    "a release of no bytes": (struct.pack(">BBI", 5, 0, 0), 6),
    "P-DATA of no bytes": (struct.pack(">BBI", 4, 0, 0), 6),
    "P-DATA shorter than a PDV header": (struct.pack(">BBI", 4, 0, 5) + bytes(5), 6),
    "a PDV of length 0": (p_data(struct.pack(">IBB", 0, 1, 3)), 6),
    "a PDV of length 1": (p_data(struct.pack(">IBB", 1, 1, 3)), 6),
    "a PDV one byte longer than its PDU": (p_data(struct.pack(">IBB", 5, 1, 3) + b"ab"), 6),
    "a PDV of 4 GB": (p_data(struct.pack(">IBB", 0xFFFFFFFF, 1, 3) + b"ab"), 6),
    "a PDV of 4 GB less six": (p_data(struct.pack(">IBB", 0xFFFFFFFA, 1, 3) + b"ab"), 6),
    "bytes left behind the last PDV": (p_data(pdv(1, 3, b"ab"), b"xyz"), 6),
    "an even presentation context": (p_data(pdv(2, 3, b"ab")), 6),
    "context 0": (p_data(pdv(0, 3, b"ab")), 6),
    "a data set without a command": (p_data(pdv(1, 2, b"ab")), 5),
    "a command in two contexts": (p_data(pdv(1, 1, b"ab"), pdv(3, 3, b"cd")), 6),
    "a data set in another context": (COMMAND_SET + p_data(pdv(3, 2, b"ab")), 6),
    "a data set in two contexts": (COMMAND_SET + p_data(pdv(1, 0, b"ab"), pdv(3, 2, b"cd")), 6),
    "a command inside a data set": (COMMAND_SET + p_data(pdv(1, 0, b"ab"), pdv(1, 3, b"cd")), 5),
    "data inside a command": (p_data(pdv(1, 1, b"ab"), pdv(1, 2, b"cd")), 5),
}


@pytest.mark.parametrize("name", VIOLATIONS)
@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_a_violation_is_named_by_its_reason_and_is_the_last_event(name: str, size: int) -> None:
    wire, reason = VIOLATIONS[name]
    stream = associated(1024)
    parts = [wire[at : at + size] for at in range(0, len(wire), size)]
    seen = events(stream, parts)
    assert seen[-1][0] == "violation"
    assert stream.reason == reason
    view = memoryview(bytearray(RELEASE))
    stream.feed(view, len(RELEASE))
    assert stream.next() == VIOLATION


def test_p_data_before_an_association_is_an_unexpected_pdu() -> None:
    stream = PduStream(1024)
    assert events(stream, [COMMAND_SET])[-1][0] == "violation"
    assert stream.reason == 2


def test_six_bytes_above_the_maximum_length_are_tolerated() -> None:
    data = bytes(1024)
    wire = COMMAND_SET + p_data(pdv(1, 2, data))
    assert events(associated(1024), [wire])[-1] == ("data", data)


def test_a_command_set_that_never_ends_stops_at_its_limit() -> None:
    endless = p_data(pdv(1, 1, bytes(1000)))
    stream = associated()
    assert events(stream, [endless] * (MAX_COMMAND // 1000)) == []
    assert events(stream, [endless])[0][0] == "violation"


def test_an_association_request_of_the_largest_size_is_kept_whole() -> None:
    whole = struct.pack(">BBI", 1, 0, MAX_SMALL_PDU) + random.Random(1).randbytes(MAX_SMALL_PDU)
    parts = [whole[at : at + 70_000] for at in range(0, len(whole), 70_000)]
    assert events(PduStream(1024), parts) == [("pdu", whole)]


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=8))
def test_random_bytes_only_ever_give_events(noise: bytes, cuts: list[int]) -> None:
    wire = COMMAND_SET + noise
    edges = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    parts = [wire[a:b] for a, b in itertools.pairwise(edges)]
    seen = events(associated(2048), parts)
    assert seen[0][0] == "command"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(CONVERSATION) - 1), st.integers(0, 255))
def test_one_wrong_byte_gives_other_events_or_a_violation_but_no_other_bytes(at: int, value: int) -> None:
    wire = bytearray(CONVERSATION)
    wire[at] = value
    for kind, data in events(associated(4096), [bytes(wire)]):
        assert kind in ("command", "data", "pdu", "violation")
        assert len(data) <= len(wire)


def test_a_feed_before_the_last_one_is_used_up_is_an_error() -> None:
    stream = associated()
    view = memoryview(bytearray(COMMAND_SET + RELEASE))
    stream.feed(view, len(view))
    assert stream.next() == COMMAND
    with pytest.raises(ValueError, match="not used up"):
        stream.feed(view, 1)


@pytest.mark.parametrize("count", [-1, 11])
def test_a_count_outside_of_the_buffer_is_an_error(count: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        PduStream(1024).feed(memoryview(bytearray(10)), count)


def test_a_buffer_that_cannot_be_written_is_an_error() -> None:
    with pytest.raises((ValueError, BufferError)):
        PduStream(1024).feed(memoryview(b"abc"), 3)


def test_data_headers_make_whole_pdus() -> None:
    wire = COMMAND_SET + data_header(1, 3, last=False) + b"abc" + data_header(1, 2, last=True) + b"de"
    assert events(associated(), [wire])[-1] == ("data", b"abcde")
