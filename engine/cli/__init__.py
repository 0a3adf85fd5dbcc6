"""The command `penstock`. Each command is a file beside this one, imported only when it is asked for."""

from __future__ import annotations

from engine.cli.entry import main

__all__ = ["main"]
