"""One peer over a folder of files, in the peers' own environment; nothing of Penstock is imported here.

    build/peers/bin/python benchmarks/peers.py NAME SOURCE TARGET COUNT

Each is driven as its documentation says, inside one process, so that none pays for starting an interpreter per file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

Anonymize = Callable[[Path, Path], None]

# Outputs are removed, untimed, after so many: virtual machines pay for every page that was not in use lately.
CHUNK = 100


def _dcmanon() -> Anonymize:
    from dcmanon import Anonymizer  # type: ignore[import-not-found]

    anonymizer = Anonymizer()

    def run(source: Path, target: Path) -> None:
        target.write_bytes(anonymizer.anonymize(str(source)))

    return run


def _dicognito() -> Anonymize:
    import pydicom
    from dicognito.anonymizer import Anonymizer  # type: ignore[import-not-found]

    anonymizer = Anonymizer()

    def run(source: Path, target: Path) -> None:
        with pydicom.dcmread(source) as dataset:
            anonymizer.anonymize(dataset)
            dataset.save_as(target)

    return run


def _dicom_anonymizer() -> Anonymize:
    from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file  # type: ignore[import-not-found]

    def run(source: Path, target: Path) -> None:
        anonymize_dicom_file(str(source), str(target))

    return run


PEERS: dict[str, Callable[[], Anonymize]] = {
    "dcmanon": _dcmanon,
    "dicognito": _dicognito,
    "dicom-anonymizer": _dicom_anonymizer,
}


def main(name: str, source: Path, target: Path, count: int) -> dict[str, float]:
    """Runs the peer over the first `count` files; seconds of wall and processor time, peak RSS in bytes."""
    anonymize = PEERS[name]()
    paths = sorted(source.iterdir())[:count]
    for path in paths:
        path.read_bytes()
    anonymize(paths[0], target / "warm-up")
    os.sync()
    seconds = cpu = 0.0
    for first in range(0, len(paths), CHUNK):
        chunk = paths[first : first + CHUNK]
        began, used = time.perf_counter(), time.process_time()
        for path in chunk:
            anonymize(path, target / path.name)
        seconds += time.perf_counter() - began
        cpu += time.process_time() - used
        for path in chunk:
            os.truncate(target / path.name, 0)  # as benchmarks.subjects does, and for its reason
    return {"objects": len(paths), "seconds": seconds, "cpu_seconds": cpu, "peak_rss": _peak_rss()}


def _peak_rss() -> int:
    """Bytes. Not from getrusage, whose maximum outlives fork and exec and so shows the parent's."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))
