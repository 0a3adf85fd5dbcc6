"""Many short messages under one key: our batcher beside a loop over `hmac.digest` and one over keyed BLAKE3.

python -m benchmarks.hmac_batch
"""

from __future__ import annotations

import hmac
import random
import time
from collections.abc import Callable
from pathlib import Path

import orjson
from blake3 import blake3

from benchmarks.result import Result, Row, Target, ratio
from engine._native import digest

Hash = Callable[[bytes, list[bytes]], list[bytes]]

MESSAGE_BYTES = 50  # a usual UID
BATCH = 10_000
WANTED = 8.0


def ours(key: bytes, messages: list[bytes]) -> list[bytes]:
    """HMAC-SHA-256, all in one call."""
    return digest.many(key, messages)


def hmac_digest(key: bytes, messages: list[bytes]) -> list[bytes]:
    """HMAC-SHA-256, the fastest way of the standard library."""
    return [hmac.digest(key, message, "sha256") for message in messages]


def keyed_blake3(key: bytes, messages: list[bytes]) -> list[bytes]:
    """Another function and so other digests: what a change of algorithm would have brought."""
    return [blake3(message, key=key).digest() for message in messages]


SUBJECTS: dict[str, Hash] = {"ours": ours, "hmac_digest": hmac_digest, "blake3": keyed_blake3}


def run(_work: Path, rounds: int, objects: int) -> Result:
    """Millions of messages a second: `objects` messages a round in batches of BATCH, the subjects in turn."""
    values = measure(rounds, max(1, objects // BATCH))
    rows = {
        "ours": Row(f"Penstock's batcher ({digest.backend()})", "M/s", values["ours"]),
        "hmac_digest": Row("loop over hmac.digest", "M/s", values["hmac_digest"]),
        "blake3": Row("loop over keyed BLAKE3", "M/s", values["blake3"], "another function"),
    }
    faster = ratio(rows["ours"], rows["hmac_digest"])
    return Result(
        name="hmac",
        title="HMAC of UIDs",
        text=f"HMAC-SHA-256 of {MESSAGE_BYTES}-byte messages under one key, one core; digests as a list of bytes.",
        rows=tuple(rows.values()),
        targets=(Target("the batcher to the loop over hmac.digest", WANTED, faster),),
    )


def measure(rounds: int, batches: int) -> dict[str, tuple[float, ...]]:
    """For each subject and round the rate of the best of `batches`: what the code costs, not what others add."""
    key, messages = _input()
    if ours(key, messages) != hmac_digest(key, messages):
        raise AssertionError("the batcher and the standard library do not agree")
    rates: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for _ in range(rounds):
        best = dict.fromkeys(SUBJECTS, float("inf"))
        for _ in range(batches):
            for name, subject in SUBJECTS.items():
                best[name] = min(best[name], _seconds(subject, key, messages))
        for name, seconds in best.items():
            rates[name].append(len(messages) / seconds / 1e6)
    return {name: tuple(seen) for name, seen in rates.items()}


def _input() -> tuple[bytes, list[bytes]]:
    source = random.Random(1)
    return source.randbytes(32), [source.randbytes(MESSAGE_BYTES) for _ in range(BATCH)]


def _seconds(subject: Hash, key: bytes, messages: list[bytes]) -> float:
    began = time.perf_counter()
    subject(key, messages)
    return time.perf_counter() - began


def main() -> None:
    """Prints the median rates in millions a second, and the ratio, as one JSON document."""
    rounds = measure(rounds=5, batches=10)
    seen = {name: round(sorted(values)[len(values) // 2], 3) for name, values in rounds.items()}
    ratios = sorted(a / b for a, b in zip(rounds["ours"], rounds["hmac_digest"], strict=True))
    told = {**seen, "ratio": round(ratios[len(ratios) // 2], 2), "unit": "M/s", "backend": digest.backend()}
    print(orjson.dumps(told).decode())


if __name__ == "__main__":
    main()
