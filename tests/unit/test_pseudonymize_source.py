"""Reading an object: windows that grow within a bound, bodies that are hopped over, deflate streams that never become large."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine._native.reader import NeedMore, Refused
from engine.errors import Refusal
from engine.pseudonymize import body, window
from engine.pseudonymize.body import body_end, content_digest, read_tail
from engine.pseudonymize.deflated import INFLATE_LIMIT, deflate, inflate
from engine.pseudonymize.window import HEAD_LIMIT, Window
from tests.support.datasets import EXPLICIT, ITEM, SEQUENCE_END, header


@contextmanager
def holding(data: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("object")
    try:
        os.write(descriptor, data)
        yield descriptor
    finally:
        os.close(descriptor)


def refusal(call: object, *arguments: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value


# ---- windows -------------------------------------------------------------------------------------------------------------


def test_a_window_grows_as_far_as_it_is_asked() -> None:
    data = os.urandom(300_000)
    seen = []

    def core(view: memoryview) -> int:
        seen.append(len(view))
        assert bytes(view) == data[: len(view)]
        if len(view) < 200_000:
            raise NeedMore(200_000 if len(seen) > 1 else len(view) + 1)
        return len(view)

    with holding(data) as fd:
        reads = Window()
        reads.open(fd, len(data))
        assert reads.run(core) == 200_000
        assert seen == [8192, 16384, 200_000]
        reads.settle(100_000)
        reads.open(fd, len(data))
        assert len(reads.view) == 102_400, "whole pages, a little more than the last head took"


def test_a_window_is_read_only_and_of_the_object_at_hand() -> None:
    reads = Window()
    with holding(b"first object") as first, holding(b"second") as second:
        reads.open(first, 12)
        assert reads.view.readonly
        reads.settle(12)
        reads.open(second, 6)
        assert bytes(reads.view) == b"second"
        reads.open(first, 0)
        assert len(reads.view) == 0


def test_a_core_that_asks_for_more_than_there_is_finds_a_truncated_object() -> None:
    def core(view: memoryview) -> int:
        raise NeedMore(len(view) + 1)

    with holding(b"abc") as fd:
        reads = Window()
        reads.open(fd, 3)
        assert (refusal(reads.run, core).code, refusal(reads.run, core).offset) == ("truncated", 3)


def test_a_head_beyond_the_limit_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "HEAD_LIMIT", 20_000)

    def core(view: memoryview) -> int:
        assert len(view) <= 20_000
        raise NeedMore(20_001 if len(view) == 20_000 else 20_000)

    with holding(bytes(30_000)) as fd:
        reads = Window()
        reads.open(fd, 30_000)
        problem = refusal(reads.run, core)
    assert (problem.code, problem.offset) == ("head-too-large", 20_001)
    assert HEAD_LIMIT == 64 << 20


def test_a_refusal_of_a_core_keeps_code_offset_and_tag() -> None:
    def core(view: memoryview) -> int:
        raise Refused("bad-vr", "no", 17, 0x00100010)

    with holding(b"abc") as fd:
        reads = Window()
        reads.open(fd, 3)
        problem = refusal(reads.run, core)
    assert (problem.code, problem.offset, problem.tag) == ("bad-vr", 17, 0x00100010)


def test_an_object_that_becomes_shorter_while_it_is_read_is_refused() -> None:
    with holding(b"abc") as fd:
        problem = refusal(Window().open, fd, 10)
    assert (problem.code, problem.offset) == ("truncated", 3)


# ---- bodies --------------------------------------------------------------------------------------------------------------

END = header(SEQUENCE_END, "", 0, EXPLICIT)


def fragment(data: bytes) -> bytes:
    return header(ITEM, "", len(data), EXPLICIT) + data


@pytest.mark.parametrize("sizes", [(0,), (0, 10), (0, 100_000, 3), (0, *[7] * 5000), (8184, 8176, 8192, 1)])
def test_the_end_of_an_encapsulated_body_is_found_by_its_item_headers(sizes: tuple[int, ...]) -> None:
    fragments = b"".join(fragment(bytes(size)) for size in sizes)
    with holding(b"head" + fragments + END + b"tail") as fd:
        size = 4 + len(fragments) + 12
        assert body_end(fd, size, 4, 1) == (size - 4, True)
    with holding(b"head" + fragments) as fd:
        assert body_end(fd, 4 + len(fragments), 4, 1) == (4 + len(fragments), False)


@pytest.mark.parametrize("cut", [1, 4, 7, 9, 50])
def test_a_body_cut_inside_an_item_is_refused(cut: int) -> None:
    data = fragment(b"") + fragment(bytes(100))
    with holding(data[:-cut] if cut > 8 else data + END[:cut]) as fd:
        assert refusal(body_end, fd, os.fstat(fd).st_size, 0, 1).code == "truncated"


def test_a_body_with_something_else_between_its_items_is_refused() -> None:
    with holding(fragment(b"ab") + b"JUNKJUNK" + END) as fd:
        problem = refusal(body_end, fd, 26, 0, 1)
    assert (problem.code, problem.offset, problem.tag) == ("item-expected", 10, 0x7FE00010)


def test_a_tail_is_read_unless_it_is_zeros_or_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "TAIL_LIMIT", 100)
    with holding(b"body" + b"tail" + bytes(97)) as fd:
        assert read_tail(fd, 8, 4) == b"tail"
        assert read_tail(fd, 104, 8) == b""
        assert read_tail(fd, 104, 4) == b"tail" + bytes(96)
        assert refusal(read_tail, fd, 105, 4).code == "tail-too-large"
        assert refusal(read_tail, fd, 107, 103).code == "truncated"


def test_an_object_is_named_after_all_its_bytes() -> None:
    data = os.urandom(3 << 20)
    changed = data[:-1] + bytes((data[-1] ^ 1,))
    with holding(data) as one, holding(data) as same, holding(changed) as other:
        assert content_digest(one) == content_digest(same) == content_digest(one)
        assert content_digest(one) != content_digest(other)


# ---- deflate -------------------------------------------------------------------------------------------------------------


def raw(data: bytes, level: int = 9) -> bytes:
    engine = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def inflated(stream: bytes, start: int = 0) -> bytes:
    with holding(stream) as fd:
        return inflate(fd, len(stream), start)


@pytest.mark.parametrize("data", [b"", b"a", bytes(1000), os.urandom(700_000), bytes(3 << 20)])
def test_a_deflated_data_set_is_read_and_written(data: bytes) -> None:
    assert inflated(raw(data)) == data
    assert inflated(b"meta" + raw(data) + b"\0", 4) == data
    assert len(deflate(data)) % 2 == 0
    assert inflated(deflate(data)) == data


def test_output_that_does_not_fit_into_the_last_piece_is_not_lost() -> None:
    for more in range(0, 300, 7):
        assert len(inflated(raw(bytes((256 << 10) + more)))) == (256 << 10) + more


def test_a_stream_cut_anywhere_is_refused() -> None:
    stream = raw(os.urandom(40) + bytes(5000))
    for cut in range(len(stream)):
        with holding(stream[:cut]) as fd:
            assert refusal(inflate, fd, cut, 0).code == "truncated"


@pytest.mark.parametrize("stream", [b"\xff\xff\xff\xff", b"\x07" * 10, b"\x00\x01\x02\x03\x04\x05"])
def test_what_is_no_deflate_stream_is_refused(stream: bytes) -> None:
    with holding(stream) as fd:
        assert refusal(inflate, fd, len(stream), 0).code == "bad-deflate"


def test_the_limit_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.pseudonymize.deflated.INFLATE_LIMIT", 1_000_000)
    assert len(inflated(raw(bytes(1_000_000)))) == 1_000_000
    with holding(raw(bytes(1_000_001))) as fd:
        assert refusal(inflate, fd, 10_000, 0).code == "inflate-limit"


BOMB = """
import os, resource, sys, zlib
from engine.errors import Refusal
from engine.pseudonymize.deflated import inflate
engine = zlib.compressobj(9, zlib.DEFLATED, -15)
fd = os.memfd_create("bomb")
piece = bytes(16 << 20)
inflate_small = zlib.compressobj(9, zlib.DEFLATED, -15)
for _ in range(64):
    os.write(fd, engine.compress(piece))
os.write(fd, engine.flush())
size = os.fstat(fd).st_size
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    inflate(fd, size, 0)
except Refusal as refusal:
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(refusal.code, size, grown)
"""


def test_a_bomb_is_refused_within_64_mb() -> None:
    """1 MB that inflates to 1 GB; the process has touched 16 MB more before, so its growth is its own."""
    done = subprocess.run([sys.executable, "-c", BOMB], capture_output=True, text=True, check=True)
    code, size, grown = done.stdout.split()
    assert (code, int(size) < 2 << 20) == ("inflate-limit", True)
    assert int(grown) < 64 << 10
    assert INFLATE_LIMIT == 32 << 20
