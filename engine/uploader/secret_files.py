"""Passwords and tokens come from files of mode 0600: never from the configuration, argv or the environment."""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path

from engine.errors import ConfigError

MOST_BYTES = 16_384
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 2.1


def read(key: str, path: Path) -> str:
    """The text of the file that the configuration's `key` names, without white space at its end.

    Raises ConfigError when it is missing, empty, too long, no text, or can be read by others.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(MOST_BYTES + 1)
    except OSError as problem:
        raise ConfigError(
            "secret-file",
            f"{key}: {path} cannot be read: {os.strerror(problem.errno or 0)}",
            hint=f"correct {key}",
        ) from problem
    if mode & 0o077:
        raise ConfigError(
            "secret-file-mode",
            f"{key}: {path} can be read by others (mode {mode:04o})",
            hint=f"run: chmod 600 {path}",
        )
    try:
        text = content.decode("utf-8").rstrip()
    except UnicodeDecodeError as problem:
        raise ConfigError("secret-file", f"{key}: {path} is not UTF-8 text") from problem
    if not text or len(content) > MOST_BYTES:
        raise ConfigError("secret-file", f"{key}: {path} is empty or too long")
    return text


def basic(username: str, key: str, path: Path) -> dict[str, str]:
    """The header of HTTP basic authentication (RFC 7617), the password from `path`. Raises ConfigError."""
    pair = f"{username}:{read(key, path)}".encode()
    return {"authorization": "Basic " + base64.b64encode(pair).decode("ascii")}


def bearer(key: str, path: Path) -> dict[str, str]:
    """The header of a bearer token (RFC 6750) from `path`. Raises ConfigError."""
    token = read(key, path)
    if not _TOKEN.fullmatch(token):
        raise ConfigError("secret-file", f"{key}: {path} does not hold one token alone")
    return {"authorization": "Bearer " + token}
