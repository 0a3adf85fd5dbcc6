"""Row 7: mutated files, streams and conversations; and files cut off at every byte."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from engine.dicom import sample
from engine.errors import Refusal
from engine.process import resident_bytes
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.rewrite import Pseudonymizer
from tests.fuzz.targets import PASS_KEY, TARGETS
from tests.fuzz.watch import Limits, fuzz
from tests.reliability.book import Measure, Run

SECONDS = 1.0
MOST_MB = 512
FILES = 50
AT_ONCE = 100_000  # cases by one child
SYNTAXES = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")


def mutants(run: Run) -> None:
    """`run.count` cases, shared evenly by all targets."""
    share = -(-run.count // len(TARGETS))
    for first in range(0, share, AT_ONCE):
        for name in TARGETS:
            if run.over.is_set():
                return
            cases = range(first, min(first + AT_ONCE, share))
            result = fuzz(name, run.seed, cases, Limits(SECONDS, MOST_MB))
            run.done += result.cases
            run.add(f"{name}_cases", result.cases)
            run.most("largest_MB", result.rss_mb)
            for find in result.finds:
                run.fail(str(find))


def cuts(run: Run) -> None:
    """Each of `run.count` files, cut off at every byte, is surveyed and planned, or refused."""
    pseudonymizer = Pseudonymizer(compiled("default"), HashSecret.generate())
    descriptor = os.memfd_create("penstock-cut")
    before = resident_bytes(os.getpid())
    try:
        for data in _files(run):
            _cut(run, pseudonymizer, descriptor, data)
            run.done += 1
            if run.done == run.count or run.over.is_set():
                break
    finally:
        os.close(descriptor)
    run.figures["largest_MB"] = resident_bytes(os.getpid()) / 1e6
    # The tests run it inside a process that has grown by much else.
    run.must((resident_bytes(os.getpid()) - before) / 1e6 < MOST_MB, "the process became too large")


def _cut(run: Run, pseudonymizer: Pseudonymizer, descriptor: int, data: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, data, 0)
    for size in range(len(data) - 1, -1, -1):
        os.ftruncate(descriptor, size)
        began = time.process_time()
        try:
            pseudonymizer.survey(descriptor, size)
            plan = pseudonymizer.plan(descriptor, size, PASS_KEY)
            run.add("planned")
            run.must(plan.size <= 2 * size + 4096, f"{size} bytes became {plan.size}")
        except Refusal as refusal:
            run.add("refused")
            run.must(
                refusal.offset is None or refusal.offset <= size,
                f"an offset behind the end: {refusal.offset} of {size}",
            )
        except Exception as error:  # noqa: BLE001 - whatever is no refusal is what we look for
            run.fail(f"cut at {size}: {type(error).__name__}: {error}")
        took = time.process_time() - began
        run.most("longest_s", took)
        run.must(took < SECONDS, f"cut at {size}: {took:.1f} s")


def _files(run: Run) -> Iterator[bytes]:
    """Small files of different studies in the uncompressed and deflated syntaxes."""
    chance = random.Random(run.seed)
    for number in range(FILES):
        syntax = SYNTAXES[number % len(SYNTAXES)]
        shape = sample.Shape(slices=2, size=chance.choice((16, 18, 20)), transfer_syntax=syntax)
        folder = run.work / str(number)
        yield _read(sample.write(folder, run.seed * FILES + number, shape), chance)


def _read(paths: list[Path], chance: random.Random) -> bytes:
    return chance.choice(paths).read_bytes()


MUTANTS = Measure(
    name="mutants",
    row="7",
    what="mutated files, deflate streams and conversations",
    goal="0 crashes, hangs > 1 s, processes > 512 MB, exceptions that are no refusals",
    unit="cases",
    full=10_000_000,
    few=1000,
    do=mutants,
    note="""
The targets of [fuzzing](fuzzing.md): reader, rewriter, whole objects, deflate, Upper Layer, the same number of cases each.
`scripts/fuzz` makes any case again by its number.
""",
)
CUTS = Measure(
    name="cuts",
    row="7",
    what="files cut off at every byte",
    goal="each cut planned or refused; 0 crashes, hangs > 1 s, processes > 512 MB",
    unit="files",
    full=FILES,
    few=2,
    do=cuts,
    note="""
Sample files in explicit, implicit, big endian and deflated syntax, with nested and private elements, from their last byte to
none.
""",
)
