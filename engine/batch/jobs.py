"""Cuts the stream of found files into jobs, and counts it ahead for the progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from engine.batch.discovery import Found, Unfit
from engine.batch.report import Progress
from engine.batch.worker import Job

# A job is big enough to make the pipe's cost vanish and small enough to spread the end of a run over all
# workers.
JOB_FILES = 32
JOB_BYTES = 32 << 20
JOB_NAME_BYTES = 1 << 16  # so a job and its tally fit into a pipe's buffer, and nobody waits for the other
COUNT_AT_ONCE = 512


def jobs(found: Iterable[Found | Unfit], workers: int, unfit: Callable[[Unfit], None]) -> Iterator[Job]:
    """Jobs of up to 32 files, 32 MiB (or one file) and 64 KiB of names; `unfit` gets what is not for a
    worker.

    The first jobs are small, so that a small folder too is spread over all workers."""
    names: list[bytes] = []
    content = letters = made = 0
    for item in found:
        if isinstance(item, Unfit):
            unfit(item)
            continue
        names.append(item.name)
        content += item.size
        letters += len(item.name)
        most = min(JOB_FILES, 1 + made // (2 * workers))
        if len(names) >= most or content >= JOB_BYTES or letters >= JOB_NAME_BYTES:
            made += 1
            yield Job(tuple(names))
            names = []
            content = letters = 0
    if names:
        yield Job(tuple(names))


def count_ahead(found: Iterable[Found | Unfit], progress: Progress) -> Iterator[None]:
    """Counts a second walk over the input, a little at each step, and keeps nothing but two numbers. At its
    end it sets the totals of `progress`."""
    files = content = 0
    for item in found:
        if isinstance(item, Found):
            files += 1
            content += item.size
            if files % COUNT_AT_ONCE == 0:
                yield
    progress.total_files, progress.total_bytes = files, content
