"""What keeper and uploader say in words of what they wait for, for people who look at the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from engine.keeper import notice
from engine.keeper.states import KeeperState

UPLOADER: Final = "uploader.json"


def notes(run_dir: Path) -> tuple[str, ...]:
    """One sentence for each that waits; none where all is well. What cannot be read is no note: it is being written anew."""
    return (*_keeper(run_dir), *_destinations(run_dir))


def _keeper(run_dir: Path) -> Iterator[str]:
    kept = notice.read(run_dir)
    if kept is not None and kept.state is not KeeperState.READY:
        yield f"the keeper {kept.sentence}"


def _destinations(run_dir: Path) -> Iterator[str]:
    try:
        told: Any = orjson.loads((run_dir / UPLOADER).read_bytes())
        destinations = told.get("destinations", {}).items()
        yield from (f"{name}: {one['error']['message']}" for name, one in destinations if one.get("error"))
    except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError):
        return
