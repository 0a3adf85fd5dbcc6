"""What a run asks of the workers of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.profile import Profile

STOP: Final = "stop"
"""The file in the run folder that tells all workers to begin no other file."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a run asks of every worker. Paths are absolute and the same on all machines; `name` is this run's alone."""

    name: str
    source: Path
    out: Path
    run_folder: Path
    secret_file: Path
    key_id: str
    profile: Profile
    profile_digest: str
    keep_same_uid: bool
    page_aligned: bool
    rebooted: bool
    count_present: bool

    def say_stop(self) -> None:
        """Tells all workers to begin no other file."""
        (self.run_folder / STOP).touch()
