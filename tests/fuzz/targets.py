"""What is fuzzed. A target gets one mutant and either returns or raises what it is allowed to; anything else is a find."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from engine._native.program import Program
from engine._native.reader import NeedMore, Refused, fragments, read_meta, walk
from engine._native.rewriter import Plan, Rewriter
from engine._native.survey import survey
from engine._native.upper_layer import COMMAND, NEED, VIOLATION, MalformedCommand, PduStream, decode_command
from engine.errors import Refusal
from engine.profile import compiled
from engine.pseudonymize import sidecar
from engine.pseudonymize.deflated import inflate
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.plan import write_plan
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.fuzz import inputs
from tests.fuzz.mutations import MOST

PASS_KEY = bytes(range(32))
PROFILES = ("default", "research")
NO_DATA_SET = 0x0101
Run = Callable[[bytes, random.Random], None]


class Target(NamedTuple):
    """`seeds` makes what is mutated; `prepare` makes what runs a mutant, once in each process."""

    seeds: Callable[[Sequence[Path]], list[bytes]]
    prepare: Callable[[], Run]


class Guarded:
    """A buffer that ends where no byte may be read: reading one too far ends the process."""

    def __init__(self, size: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        page = mmap.PAGESIZE
        self._size = (size + page - 1) // page * page
        self._map = mmap.mmap(-1, self._size + page)
        begin = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        if libc.mprotect(begin + self._size, page, 0):
            raise OSError(ctypes.get_errno(), "mprotect")
        self._view = memoryview(self._map)
        self.end = begin + self._size

    def holding(self, data: bytes) -> memoryview:
        """The bytes, so that the last of them is the last before the guard."""
        view = self._view[self._size - len(data) : self._size]
        view[:] = data
        return view.toreadonly()


def _of_file(find: Callable[[memoryview, bytes, int, int], None]) -> Run:
    buffer = Guarded(MOST)

    def run(data: bytes, _: random.Random) -> None:
        try:
            meta = read_meta(buffer.holding(data), len(data))
            find(buffer.holding(data), data, meta.start, meta.syntax)
        except Refused as problem:
            _check_refusal(problem, len(data))

    return run


def _check_refusal(problem: Refused, size: int) -> None:
    if not 0 <= problem.offset <= size:
        raise AssertionError(f"a refusal at byte {problem.offset} of {size}")


def _reader() -> Run:
    def find(view: memoryview, data: bytes, start: int, syntax: int) -> None:
        for look in (
            lambda: survey(view, len(data), start, syntax, (0x00080005, 0x00080018, 0x00100020)),
            lambda: walk(view, start, syntax, (0x00081140, 0x0040A730)),
            lambda: fragments(view, 0, start, len(data), syntax),
        ):
            try:
                look()
            except Refused as problem:
                _check_refusal(problem, len(data))

    return _of_file(find)


def _encode(action: int, tag: int, value: bytes, charset: bytes) -> bytes | None:
    return None if len(value) % 5 == 4 else value[::-1][:64]


def _rewriter() -> Run:
    programs: list[Program] = [compiled(name).program for name in PROFILES]
    rewriters = [Rewriter(program, _encode) for program in programs]
    for rewriter in rewriters:
        rewriter.set_pass_key(PASS_KEY)
    buffer = Guarded(MOST)

    def rewritten(rewriter: Rewriter, data: bytes, avail: int, start: int, syntax: int) -> Plan:
        while True:
            try:
                return rewriter.rewrite(
                    buffer.holding(data[:avail]),
                    len(data),
                    start,
                    syntax,
                    hashed_id=b"0123456789abcdef",
                    study_id=b"ABCDEFGHIJKLMNOP",
                    sop_class=b"1.2",
                    sop_instance=b"1.2.3",
                    shift_days=-17,
                )
            except NeedMore as more:
                if not avail < more.upto <= len(data):
                    raise AssertionError(f"{more.upto} bytes wanted of {len(data)}, {avail} given") from None
                avail = more.upto

    def run(data: bytes, source: random.Random) -> None:
        try:
            meta = read_meta(buffer.holding(data), len(data))
        except Refused as problem:
            return _check_refusal(problem, len(data))
        rewriter = source.choice(rewriters)
        answers: list[tuple[object, ...]] = []
        for avail in (len(data), source.randint(meta.start, len(data))):
            try:
                plan = rewritten(rewriter, data, avail, meta.start, meta.syntax)
                answers.append((plan.head, plan.end, plan.body_tag))
            except Refused as problem:
                _check_refusal(problem, len(data))
                answers.append((problem.code, problem.offset, problem.tag))
        if answers[0] != answers[1]:
            raise AssertionError("the answer depends on the window")
        return None

    return run


def _object() -> Run:
    secret = HashSecret(bytes(32))
    makers = [Pseudonymizer(compiled(name), secret) for name in PROFILES]
    source_fd, target_fd = os.memfd_create("source"), os.memfd_create("target")

    def run(data: bytes, source: random.Random) -> None:
        os.ftruncate(source_fd, 0)
        os.pwrite(source_fd, data, 0)
        try:
            plan = source.choice(makers).plan(source_fd, len(data), PASS_KEY)
        except Refusal:
            return
        os.ftruncate(target_fd, 0)
        os.lseek(target_fd, 0, os.SEEK_SET)
        write_plan(plan, source_fd, target_fd)
        if os.fstat(target_fd).st_size != plan.size:
            raise AssertionError("the output is not as long as its plan says")
        kept = sidecar.decode(sidecar.encode(plan, len(data)))
        kept.check_source(source_fd)
        if kept.plan != plan:
            raise AssertionError("the sidecar holds another plan")

    return run


def _deflate() -> Run:
    fd = os.memfd_create("deflated")

    def run(data: bytes, _: random.Random) -> None:
        os.ftruncate(fd, 0)
        os.pwrite(fd, data, 0)
        try:
            inflate(fd, len(data), 0)
        except Refusal:
            return

    return run


def _upper_layer() -> Run:
    def run(data: bytes, source: random.Random) -> None:
        stream = PduStream(16384)
        stream.associate()
        at = 0
        while at < len(data):
            size = min(source.choice((1, 7, 100, 5000)), len(data) - at)
            stream.feed(memoryview(bytearray(data[at : at + size])), size)
            at += size
            while (event := stream.next()) != NEED:
                if event == VIOLATION:
                    return
                if event != COMMAND:
                    continue
                try:
                    command = decode_command(stream.command)
                except MalformedCommand:
                    return
                if command.data_set_type != NO_DATA_SET:
                    stream.expect_data()

    return run


def _broken() -> Run:
    """Does all that the fuzzer must notice: for its own test."""

    guarded = Guarded(8)

    def run(data: bytes, _: random.Random) -> None:
        match int(data):
            case 3:
                os.abort()
            case 5:
                begin = time.process_time()
                while time.process_time() < begin + 60:
                    pass
            case 7:
                raise LookupError("a find")
            case 9:
                ctypes.string_at(guarded.end - 1, 1)
            case 10:
                ctypes.string_at(guarded.end, 1)
            case 11:
                held = b"x" * (300 << 20)
                time.sleep(60)
                del held

    return run


TARGETS: dict[str, Target] = {
    "reader": Target(inputs.files, _reader),
    "rewriter": Target(inputs.files, _rewriter),
    "object": Target(inputs.files, _object),
    "deflate": Target(lambda _: inputs.streams(), _deflate),
    "upper_layer": Target(lambda _: inputs.connections(), _upper_layer),
}
BROKEN = Target(lambda _: [b"%d" % n for n in range(12)], _broken)
