"""How a process of the gateway gets the hash secret from the keeper: workers, the calculator, `penstock hash`."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ConfigError
from engine.keeper.door import NAME
from engine.keeper.notice import read
from engine.keeper.page import KEY_BYTES
from engine.keeper.states import OUT
from engine.pseudonymize.identity import HashSecret

TRY_SECONDS = 0.1
A_LONG_TIME = 3600.0


@dataclass(frozen=True, slots=True)
class Secrets:
    """Every version of the hash secret, the one in force first."""

    versions: tuple[HashSecret, ...]

    @property
    def current(self) -> HashSecret:
        return self.versions[0]

    @property
    def by_key_id(self) -> dict[str, HashSecret]:
        return {one.key_id: one for one in self.versions}


def fetch_secrets(run_dir: Path, wait: float | None = 5.0) -> Secrets:
    """The secrets that the keeper holds; waits for it and for them so many seconds, without end if None.

    Raises ConfigError("secret-waits") that says what the keeper waits for, at once where waiting has no sense.
    """
    until = None if wait is None else time.monotonic() + wait
    while True:
        left = A_LONG_TIME if until is None else until - time.monotonic()
        found = _ask(run_dir, left) if left > 0 else None
        if found is not None:
            return found
        notice = read(run_dir)
        over = until is not None and (
            time.monotonic() >= until or (notice is not None and notice.state in OUT)
        )
        if over:
            raise _missing(run_dir)
        time.sleep(TRY_SECONDS)


def fetch_secret(run_dir: Path, wait: float | None = 5.0) -> HashSecret:
    """The hash secret in force. As `fetch_secrets`."""
    return fetch_secrets(run_dir, wait).current


def _ask(run_dir: Path, seconds: float) -> Secrets | None:
    """What the keeper gives; None where there is none, or it gives nothing."""
    try:
        folder = os.open(run_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as keeper:
            keeper.settimeout(max(seconds, TRY_SECONDS))
            keeper.connect(f"/proc/self/fd/{folder}/{NAME}")
            return _understood(_all_of(keeper))
    except (FileNotFoundError, ConnectionError, TimeoutError):
        return None
    finally:
        os.close(folder)


def _all_of(keeper: socket.socket) -> bytes:
    whole = b""
    while piece := keeper.recv(1 + 255 * KEY_BYTES):
        whole += piece
    return whole


def _understood(whole: bytes) -> Secrets | None:
    if not whole or len(whole) != 1 + whole[0] * KEY_BYTES or not whole[0]:
        return None
    keys = (whole[at : at + KEY_BYTES] for at in range(1, len(whole), KEY_BYTES))
    return Secrets(tuple(HashSecret(key) for key in keys))


def _missing(run_dir: Path) -> ConfigError:
    notice = read(run_dir)
    if notice is None:
        return ConfigError(
            "secret-waits",
            "the gateway is not running, and without it nobody has the hash secret",
            hint="start it with: penstock up --config FILE",
        )
    hint = notice.trouble.hint if notice.trouble else ""
    return ConfigError("secret-waits", f"there is no hash secret: the gateway {notice.sentence}", hint=hint)
