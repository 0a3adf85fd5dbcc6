"""What the disk alone allows: objects written, made durable and named, without any network."""

from __future__ import annotations

import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine.spool.writeback import Writeback
from engine.syncing import sync_names

PIECE = 128 << 10


def rate(folder: Path, data: bytes, objects: int, at_once: int = 1) -> float:
    """Objects a second, by the steps of the receiver's intake, on so many threads."""
    coming, there = folder / "coming", folder / "there"
    for one in (coming, there):
        one.mkdir(parents=True)
    writeback = Writeback(there)
    name = os.open(there, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    began = time.perf_counter()

    def store(number: int) -> None:
        _store(coming / f"{number}.part", there / f"{number}.dcm", data, writeback, name)

    with ThreadPoolExecutor(at_once) as threads:
        deque(threads.map(store, range(objects)), maxlen=0)
    seconds = time.perf_counter() - began
    os.close(name)
    for number in range(objects):
        os.truncate(there / f"{number}.dcm", 0)  # removed, they would slow down whoever is measured next
    return objects / seconds


def _store(part: Path, whole: Path, data: bytes, writeback: Writeback, folder: int) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    view = memoryview(data)
    try:
        for at in range(0, len(data), PIECE):
            written = os.write(descriptor, view[at : at + PIECE])
            writeback.begin(descriptor, at, written)
        writeback.finish(descriptor)
    finally:
        os.close(descriptor)
    part.rename(whole)
    sync_names(folder)
