"""The file of a hash secret: mode 0600, 64 hexadecimal digits and a newline.

Whoever reads it can find the patient behind a hashed ID by trying all Patient IDs.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from engine.errors import ConfigError
from engine.syncing import sync_folder

SIZE = 32
"""Bytes of a hash secret."""
MAKE_ONE = "make one with: penstock secret new FILE"
_FORMAT = re.compile(rb"[0-9A-Fa-f]{64}\n?")


def read(path: Path) -> bytes:
    """The 32 bytes. Raises ConfigError, which says what to do and never shows what the file holds."""
    try:
        # Not blocking, so that a FIFO in the file's place is refused and not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise ConfigError("secret-missing", f"{path}: there is no hash secret", hint=MAKE_ONE) from error
    except OSError as error:
        hint = "it must be a file of the user who runs this"
        raise ConfigError(
            "secret-unreadable", f"{path}: cannot be read: {error.strerror}", hint=hint
        ) from error
    try:
        _check_private(path, os.fstat(descriptor).st_mode)
        held = os.read(descriptor, 2 * SIZE + 2)
    finally:
        os.close(descriptor)
    if not _FORMAT.fullmatch(held):
        message = f"{path}: is not a hash secret, which is 64 hexadecimal digits and a newline"
        hint = "bring it back from where it is kept: a new one gives every patient another hashed ID"
        raise ConfigError("secret-malformed", message, hint=hint)
    return bytes.fromhex(held.decode("ascii"))


def _check_private(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ConfigError("secret-unreadable", f"{path}: is not a regular file", hint=MAKE_ONE)
    # systemd lets a service's user read its credentials by an access list, which shows as rights of the group.
    mask = 0o037 if path.parent == Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) else 0o077
    if mode & mask:
        message = f"{path}: others may read or change this hash secret (mode {mode & 0o777:04o})"
        hint = f"chmod 600 {path}; and if somebody may have read it, it is no longer a secret"
        raise ConfigError("secret-not-private", message, hint=hint)


def write(path: Path, key: bytes) -> None:
    """Makes the file, durable when this returns. Raises ConfigError; a file that exists is left alone."""
    folder = path.parent
    try:
        mode = folder.stat().st_mode
        # In such a folder, others could put a file of theirs in the place of this one.
        if mode & 0o022 and not mode & stat.S_ISVTX:
            message = f"{folder}: others may change what lies in this folder (mode {mode & 0o777:04o})"
            hint = f"chmod go-w {folder}, or choose another folder"
            raise ConfigError("secret-folder-open", message, hint=hint)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(key.hex().encode("ascii") + b"\n")
                file.flush()
                os.fsync(file.fileno())
            sync_folder(folder)
        except OSError:
            path.unlink(missing_ok=True)
            raise
    except FileExistsError as error:
        message = f"{path}: exists already, and was left alone"
        hint = "another secret means another hashed ID for every patient; if it is meant, move the old file"
        raise ConfigError("secret-exists", message, hint=hint) from error
    except OSError as error:
        hint = "choose a folder that you may write to"
        raise ConfigError(
            "secret-unwritable", f"{path}: cannot be made: {error.strerror}", hint=hint
        ) from error
