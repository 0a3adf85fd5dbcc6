"""Files that systemd hands to a service while it runs: nobody else sees them, and afterwards there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from engine.doctor.finding import Finding, Level

CREDENTIALS: Final = Path("/run/credentials")


def unseen(key: str, path: Path) -> Finding | None:
    """What to say of `key`, if `path` is a service's credential (systemd.exec(5)) that cannot be seen from here; else None."""
    try:
        unit, name = path.relative_to(CREDENTIALS).parts
    except ValueError:
        return None
    try:
        path.open("rb").close()
    except (FileNotFoundError, PermissionError):
        return Finding(
            Level.NOTE,
            "credential-unseen",
            f"{key} is the credential {name} of {unit}, which is there while that runs, for its user alone",
            "get it from systemd at the start, or refuse to start",
            f"see that there is the file which {unit} loads as {name}: systemctl cat {unit}",
            where=str(path),
        )
    return None
