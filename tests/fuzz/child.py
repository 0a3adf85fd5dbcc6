"""The process that runs cases: `python -m tests.fuzz.child TARGET SEED FIRST LAST PROGRESS [FILES...]`.

It writes the number of the case at hand into the file PROGRESS before it begins it, so that whoever watches knows which one
ended the process or never ended. What a target raises is printed, one line of JSON a find.
"""

from __future__ import annotations

import json
import mmap
import random
import struct
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.mutations import mutate
from tests.fuzz.targets import BROKEN, TARGETS, Run

STARTING = 0xFFFFFFFFFFFFFFFF
"""Progress before the first case."""


def case(name: str, seed: int, number: int, seeds: Sequence[bytes]) -> tuple[bytes, random.Random]:
    """The mutant of one case, and the generator for what the target decides itself."""
    source = random.Random(f"{name}:{seed}:{number}")
    if name == "broken":
        return seeds[number % len(seeds)], source
    return mutate(source, seeds), source


def one(run: Run, data: bytes, source: random.Random) -> dict[str, str] | None:
    """Runs a case; a find, if it raised."""
    try:
        run(data, source)
    except Exception as error:  # noqa: BLE001  # whatever a target does not expect is what we look for
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        return {"kind": "raised", "error": f"{type(error).__name__}: {error}", "where": where}
    return None


def main() -> int:
    name, seed, first, last, progress = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
    target = BROKEN if name == "broken" else TARGETS[name]
    seeds = target.seeds([Path(path) for path in sys.argv[6:]])
    run = target.prepare()
    with Path(progress).open("r+b") as file, mmap.mmap(file.fileno(), 8) as shared:
        for number in range(first, last):
            data, source = case(name, seed, number, seeds)
            struct.pack_into("<Q", shared, 0, number)
            found = one(run, data, source)
            if found:
                print(json.dumps({"case": number} | found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
