"""What the keeper says of itself, in run/keeper.json: for `penstock status`, health, the coordinator. No secret is in it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.keeper.states import KeeperState

FILE = "keeper.json"


class Trouble(msgspec.Struct, frozen=True):
    """Why the platform did not answer as it should."""

    code: str
    message: str
    hint: str = ""


class Notice(msgspec.Struct, frozen=True):
    """Times are seconds since 1970. `key_ids`: of the hash secrets that are held, the one in force first."""

    state: KeeperState
    since: float
    key_ids: tuple[str, ...] = ()
    institution: str = ""
    gateway: str = ""
    epoch: int = 0
    certificate_ends: float = 0.0
    trouble: Trouble | None = None

    @property
    def sentence(self) -> str:
        """For people."""
        why = f": {self.trouble.message}" if self.trouble else ""
        return {
            KeeperState.WAITING: "waits for the hash secret from the platform" + why,
            KeeperState.READY: "has the hash secret, in memory",
            KeeperState.CUT_OFF: "has the hash secret, but the platform does not answer" + why,
            KeeperState.FENCED: "is fenced: another instance of this gateway was enrolled after this one",
            KeeperState.REVOKED: "is refused by the platform" + why,
        }[self.state]


def write(run_dir: Path, notice: Notice) -> None:
    """Replaces the notice; who reads meanwhile gets the old one or the new one. OSError when the disk does not take it."""
    temporary = run_dir / f"{FILE}.tmp"
    temporary.write_bytes(msgspec.json.encode(notice))
    temporary.rename(run_dir / FILE)


def read(run_dir: Path) -> Notice | None:
    """The notice; None where no keeper has written one that can be read."""
    try:
        return msgspec.json.decode((run_dir / FILE).read_bytes(), type=Notice)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
