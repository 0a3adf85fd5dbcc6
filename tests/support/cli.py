"""Runs `penstock` as a person or a script does: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, NamedTuple


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)


def penstock(*arguments: str, stdin: bytes = b"", **environment: str) -> Ran:
    """Runs `penstock` with these arguments; `environment` is added to that of the test."""
    command = [sys.executable, "-m", "engine.cli", *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    done = subprocess.run(
        command, input=stdin, capture_output=True, check=False, timeout=60, env=inherited | environment
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
