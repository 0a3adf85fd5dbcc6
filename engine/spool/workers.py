"""How many workers were asked for while the gateway runs: a number in run/workers. The next start forgets it.

Who asks writes the file and sends the hint `WORD`; the coordinator also looks now and then, in case the hint was lost.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

MOST: Final = 256  # as the configuration has it
WORD: Final = "workers"  # the hint to the coordinator
_FILE: Final = "workers"


def ask(run_dir: Path, count: int) -> None:
    """Leaves the number for the coordinator; the whole number is there, or the one before."""
    temporary = run_dir / f"{_FILE}.{os.getpid()}"
    temporary.write_text(f"{count}\n", encoding="ascii")
    temporary.rename(run_dir / _FILE)


def asked(run_dir: Path) -> int | None:
    """The number that was asked for last, None if nobody asked. What is no number counts as nobody's word."""
    try:
        text = (run_dir / _FILE).read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return int(text) if text.isdigit() and len(text) <= 4 else None
