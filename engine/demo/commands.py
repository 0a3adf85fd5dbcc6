"""The commands that a person types before the first object: each run as a process of its own, with its --json read."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from engine.demo.process import PartError
from engine.process import MODULE

SECONDS = 60.0


def penstock(*arguments: str, stdin: str = "") -> dict[str, Any]:
    """What `penstock ARGUMENTS --json` says. Raises PartError with its error when it does not end with 0."""
    done = _run([*arguments, "--json"], stdin)
    if done.returncode:
        tail = done.stderr.decode("utf-8", "replace").splitlines()
        said = f": {tail[0].removeprefix('penstock: ')}" if tail else ""
        raise PartError(f"penstock {arguments[0]}", f"ended with exit code {done.returncode}{said}", tail)
    told: dict[str, Any] = orjson.loads(done.stdout)
    return told


def add_institution(folder: Path, name: str) -> None:
    """The institution, with its first hash secret, on the platform that FOLDER/platform.toml describes."""
    penstock("platform", "institution", "add", name, "--config", str(folder / "platform.toml"))


def new_token(folder: Path, institution: str) -> str:
    """An enrolment token of that platform."""
    config = str(folder / "platform.toml")
    return str(penstock("platform", "token", "new", institution, "--config", config)["token"])


def enrol(folder: Path, url: str, token: str, *options: str) -> dict[str, Any]:
    """The gateway of FOLDER/gateway.toml, by a token that is not on the command line."""
    return penstock("enroll", url, "--config", str(folder / "gateway.toml"), *options, stdin=token + "\n")


def hashed_id(folder: Path, patient_id: str) -> str:
    """What the running gateway of FOLDER/gateway.toml makes of a Patient ID."""
    told = penstock("hash", "--stdin", "--config", str(folder / "gateway.toml"), stdin=patient_id + "\n")
    return str(told["hashed_ids"][0])


def _run(arguments: Sequence[str], stdin: str) -> subprocess.CompletedProcess[bytes]:
    command = [*MODULE, "engine.cli", *arguments]
    try:
        return subprocess.run(
            command, input=stdin.encode(), capture_output=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        raise PartError(f"penstock {arguments[0]}", f"still running after {SECONDS:.0f} s") from None
