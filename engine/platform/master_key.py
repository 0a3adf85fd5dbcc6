"""Where the master key comes from: a file, a systemd credential, or a program that fetches it from a key service.

A program is what a key management service looks like from here: it is run without a shell and writes the key, 64
hexadecimal digits and a newline, to its standard output. Nothing of what it writes is ever shown.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, insert, select

from engine.config.platform import PlatformServerConfig
from engine.errors import ConfigError
from engine.platform.database import Database
from engine.platform.database.connection import take_turns
from engine.platform.database.objects import OBJECTS
from engine.platform.database.vault import MASTER_KEY
from engine.platform.keys import MasterKey

COMMAND_SECONDS = 30.0
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_KEY = re.compile(rb"[0-9A-Fa-f]{64}\n?")


class MasterKeySource(Protocol):
    """Somewhere that has the master key."""

    def load(self) -> MasterKey:
        """The key, asked for anew each time. Raises ConfigError, which shows nothing of what was found."""


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of mode 0600."""

    path: Path

    def load(self) -> MasterKey:
        """See MasterKeySource."""
        return MasterKey.load(self.path)


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """A credential that systemd hands to the service (LoadCredential= or LoadCredentialEncrypted=)."""

    name: str
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def load(self) -> MasterKey:
        """See MasterKeySource. Who may read the file is systemd's affair: its folder belongs to this service alone."""
        folder = self.environment.get(_CREDENTIALS)
        if not folder:
            raise ConfigError(
                "credential-missing",
                f"there is no master key: systemd gave this process no credentials ({_CREDENTIALS} is not set)",
                hint=f"put LoadCredential={self.name}:/path/to/master-key into the unit",
            )
        path = Path(folder) / self.name
        try:
            held = path.read_bytes()
        except OSError as problem:
            raise ConfigError(
                "credential-missing",
                f"systemd gave this process no credential {self.name}: {problem.strerror}",
                hint=f"put LoadCredential={self.name}:/path/to/master-key into the unit",
            ) from problem
        return _key_of(held, f"the credential {self.name}")


@dataclass(frozen=True, slots=True)
class CommandSource:
    """A program, with its arguments, that writes the key to its standard output within COMMAND_SECONDS."""

    command: Sequence[str]

    def load(self) -> MasterKey:
        """See MasterKeySource."""
        name = Path(self.command[0]).name
        hint = (
            "run it by hand as this user; it must write 64 hexadecimal digits and a newline, and end with 0"
        )
        try:
            done = subprocess.run(
                list(self.command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            late = f"the master key's program {name} took more than {COMMAND_SECONDS:g} s"
        except OSError as problem:
            late = f"the master key's program {name} cannot be run: {problem.strerror}"
        else:
            if done.returncode == 0:
                return _key_of(done.stdout, f"what the program {name} wrote")
            late = f"the master key's program {name} ended with {done.returncode}"
        raise ConfigError("key-command", late, hint=hint)


def source_of(settings: PlatformServerConfig) -> MasterKeySource:
    """The source that the configuration names; it names exactly one."""
    if settings.master_key_file is not None:
        return FileSource(settings.master_key_file)
    if settings.master_key_credential:
        return CredentialSource(settings.master_key_credential)
    return CommandSource(settings.master_key_command)


def in_force(connection: Connection) -> str | None:
    """The id of the master key that everything is wrapped by; None before the first one was used."""
    told = connection.scalar(select(MASTER_KEY.c.key_id))
    return told if told is not None else connection.scalar(select(OBJECTS.c.master_key_id).limit(1))


def must_be_in_force(database: Database, master: MasterKey) -> None:
    """Notes the master key at its first use. Raises ConfigError when data keys are wrapped by another one."""
    with database.begin() as connection:
        take_turns(connection, "master-key")
        known = in_force(connection)
        if known not in {None, master.key_id}:
            raise ConfigError(
                "master-key-other",
                f"the master key is {master.key_id}, but what is stored is wrapped by {known}",
                hint="give the right one; after a rotation that was interrupted, run rotate-master-key again",
            )
        if connection.scalar(select(MASTER_KEY.c.key_id)) is None:
            connection.execute(insert(MASTER_KEY).values(one=1, key_id=master.key_id))


def _key_of(held: bytes, where: str) -> MasterKey:
    if not _KEY.fullmatch(held):
        raise ConfigError("key-format", f"{where} is not 64 hexadecimal digits and a newline")
    return MasterKey(bytes.fromhex(held.decode("ascii")))
