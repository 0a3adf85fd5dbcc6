"""What the head of one object costs: surveyed, planned, nothing written."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from benchmarks.inputs import Slice, ct_slice, long_head
from benchmarks.result import Result, Row, Target
from engine.profile import compiled
from engine.pseudonymize.identity import HashSecret
from engine.pseudonymize.rewrite import Pseudonymizer

BATCH = 50


def run(work: Path, rounds: int, objects: int) -> Result:
    """Microseconds for one `plan`, median over batches, `rounds` times; `objects` plans of the short head a round."""
    pseudonymizer = Pseudonymizer(compiled("default"), HashSecret.generate())
    short, long = ct_slice(work), long_head(work)
    rows = []
    for piece, count in ((short, objects), (long, max(BATCH, objects // 20))):
        values = tuple(_microseconds(pseudonymizer, piece, count) for _ in range(rounds))
        rows.append(Row(f"{piece.elements:,} elements ({piece.name})", "µs", values))
    return Result(
        name="head",
        title="One head",
        text="Time from an open file to a finished plan: the head read by `pread`, walked, rewritten; one core.",
        rows=tuple(rows),
        targets=(
            Target("a head of some 280 elements", 25.0, rows[0].median, "µs", most=True),
            Target("a head of some 8,175 elements", 700.0, rows[1].median, "µs", most=True),
        ),
    )


def _microseconds(pseudonymizer: Pseudonymizer, piece: Slice, count: int) -> float:
    """The best batch of `BATCH`: what the code costs, less what the machine's other work adds."""
    pass_key = secrets.token_bytes(32)
    descriptor = os.open(piece.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        best = float("inf")
        for _ in range(max(1, count // BATCH)):
            began = time.perf_counter()
            for _ in range(BATCH):
                pseudonymizer.plan(descriptor, piece.size, pass_key)
            best = min(best, (time.perf_counter() - began) / BATCH)
    finally:
        os.close(descriptor)
    return best * 1e6
