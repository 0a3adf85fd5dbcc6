"""What a run did, in numbers: shown while it lasts and told at its end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from engine.batch.worker import Tally
from engine.errors import SpoolError


@dataclass(slots=True)
class Progress:
    """How far a run is. Bytes are those of inputs that were rewritten; `total_*` are None until all of the
    input folder has been counted. `seconds` since the first file, by a clock that does not jump."""

    files: int = 0
    bytes: int = 0
    refused: int = 0
    seconds: float = 0.0
    total_files: int | None = None
    total_bytes: int | None = None


@dataclass(slots=True)
class Report:
    """The end of a run. `stopped` is None, or the code of what stopped it before all inputs met their fate:
    "interrupted", "disk-full", "output-failed". `seconds` is the time to rewrite, `sync_seconds` the time
    that the disk then took to hold it for good."""

    profile: str
    profile_digest: str
    key_id: str
    workers: int
    quarantine: str = ""
    receipts: str = ""
    resumed: bool = False
    stopped: str | None = None
    advice: str = ""
    open_for_retry: int = 0
    written: int = 0
    duplicates: int = 0
    same_uid: int = 0
    already_done: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    studies: set[int] = field(default_factory=set)
    actions: Counter[str] = field(default_factory=Counter)
    bytes_read: int = 0
    bytes_written: int = 0
    workers_replaced: int = 0
    seconds: float = 0.0
    sync_seconds: float = 0.0

    def add(self, tally: Tally) -> None:
        """What a worker did; its refusals come in by `refuse`."""
        self.written += tally.written
        self.same_uid += len(tally.beside)
        self.already_done += tally.already_done
        # Where a run is taken up, an output that is there may be its own from before the journal heard of it.
        if self.resumed:
            self.already_done += tally.present
        else:
            self.duplicates += tally.present
        self.studies |= tally.studies
        self.actions.update(tally.actions)
        self.bytes_read += tally.bytes_read
        self.bytes_written += tally.bytes_written

    def refuse(self, code: str, *, retryable: bool) -> None:
        """One file or folder that has no output. `retryable` keeps the run open for another try."""
        self.refused[code] += 1
        self.open_for_retry += retryable

    def stop(self, why: SpoolError) -> None:
        """The run ends early; the first reason counts."""
        if self.stopped is None:
            self.stopped = why.code
            self.advice = f"{why.message}: {why.hint}"

    @property
    def files(self) -> int:
        """All that met their fate: written, doubles, done before, refused."""
        return self.written + self.duplicates + self.already_done + self.refused.total()

    @property
    def finished(self) -> bool:
        """Whether the run key was destroyed: nothing is left to do and nothing may succeed another time."""
        return self.stopped is None and not self.open_for_retry

    @property
    def exit_code(self) -> int:
        """0 done, 1 something was refused or the run stopped early."""
        return 1 if self.stopped or self.refused else 0

    def document(self) -> dict[str, object]:
        """The report as one JSON object. Rates are per second of rewriting; a megabyte is 10⁶ bytes."""
        seconds = max(self.seconds, 1e-9)
        return {
            "finished": self.finished,
            "stopped": self.stopped,
            "resumed": self.resumed,
            "files": self.files,
            "written": self.written,
            "duplicates": self.duplicates,
            "same_uid": self.same_uid,
            "already_done": self.already_done,
            "refused": self.refused.total(),
            "refused_by_code": dict(sorted(self.refused.items())),
            "open_for_retry": self.open_for_retry,
            "notices": dict(sorted(self.notices.items())),
            "quarantine": self.quarantine,
            "receipts": self.receipts,
            "studies": len(self.studies),
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
            "seconds": round(self.seconds, 6),
            "sync_seconds": round(self.sync_seconds, 6),
            "objects_per_second": round(self.written / seconds, 1),
            "megabytes_per_second": round(self.bytes_read / seconds / 1e6, 1),
            "actions": dict(sorted(self.actions.items())),
            "profile": {"name": self.profile, "digest": self.profile_digest},
            "key_id": self.key_id,
            "workers": self.workers,
            "workers_replaced": self.workers_replaced,
        }
