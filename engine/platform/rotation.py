"""Another master key: every data key is unwrapped by the old one and wrapped by the new one, in one transaction.

Objects and sealed secrets are not touched. A process that dies on the way leaves everything as it was; one that dies
between the transaction and the exchange of the key's file is finished by calling it again.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, insert, select, tuple_, update

from engine.config import PlatformConfig
from engine.errors import ConfigError
from engine.platform.administration import administration
from engine.platform.database import Database
from engine.platform.database.connection import take_turns
from engine.platform.database.objects import OBJECTS
from engine.platform.database.vault import MASTER_KEY, VAULT_SECRETS
from engine.platform.gateways import authority
from engine.platform.keys import MasterKey
from engine.platform.master_key import in_force, source_of
from engine.platform.storage import Storage
from engine.syncing import sync_folder

_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many data keys got another wrapping; none when it was done before."""

    objects: int
    secrets: int


def rewrap(database: Database, old: MasterKey, new: MasterKey) -> Rewrapped:
    """Wrap every data key by `new`; does nothing when that is so already.

    Raises ConfigError when data keys are wrapped by neither, SpoolError("data-key") when one was altered; then nothing
    has changed. No platform may be running with the old key.
    """
    with database.begin() as connection:
        for room in ("master-key", "authority", "vault", "objects"):
            take_turns(connection, room)
        known = in_force(connection)
        if known == new.key_id:
            return Rewrapped(0, 0)
        if known not in {None, old.key_id}:
            raise ConfigError(
                "master-key-other",
                f"what is stored is wrapped by the master key {known}, which is neither the old nor the new one",
            )
        authority.rewrap(connection, old, new)
        done = Rewrapped(_table(connection, OBJECTS, old, new), _table(connection, VAULT_SECRETS, old, new))
        _note(connection, new)
    return done


def _note(connection: Connection, new: MasterKey) -> None:
    if connection.execute(update(MASTER_KEY).values(key_id=new.key_id)).rowcount == 0:
        connection.execute(insert(MASTER_KEY).values(one=1, key_id=new.key_id))


def _table(connection: Connection, table: Table, old: MasterKey, new: MasterKey) -> int:
    """Page by page along the primary key, so that memory is bounded."""
    keys = list(table.primary_key.columns)
    page = select(*keys, table.c.wrapped_key).order_by(*keys).limit(_ROWS)
    same = and_(*(key == bindparam(f"key_{key.name}") for key in keys))
    change = update(table).where(same).values(wrapped_key=bindparam("wrapped"), master_key_id=new.key_id)
    done, after = 0, page
    while rows := connection.execute(after).all():
        values: list[dict[str, Any]] = [
            {f"key_{key.name}": row[at] for at, key in enumerate(keys)}
            | {"wrapped": new.wrap(old.unwrap(row[-1]))}
            for row in rows
        ]
        connection.execute(change, values)
        done += len(rows)
        after = page.where(tuple_(*keys) > tuple_(*rows[-1][:-1]))
    return done


@dataclass(frozen=True, slots=True)
class Rotated:
    """A rotation that is done. `former_file` has the former key; None where the new key must still be put in place."""

    old_id: str
    new_id: str
    objects: int
    secrets: int
    key_file: Path
    former_file: Path | None


def rotate(config: PlatformConfig, new_file: Path | None) -> Rotated:
    """Rotate the master key of a platform that is stopped; `new_file` is made if there is none.

    Call it again after a crash: it goes on where the other one ended. Raises ConfigError.
    """
    settings = config.platform
    current = settings.master_key_file
    if new_file is None:
        if current is None:
            raise ConfigError(
                "new-key-file",
                "the master key does not come from a file, so the new one needs a file of its own",
                hint="name it by --new-key FILE",
            )
        new_file = current.with_name(current.name + ".new")
    old = source_of(settings).load()
    storage = Storage.open(settings.storage)
    with storage.hold(), administration(config) as opened:
        new = _new_key(new_file)
        done = rewrap(opened.database, old, new)
        former = None if current is None else exchange_file(current, new_file, old.key_id)
        opened.audit.record(
            "master-key-rotated",
            actor=opened.operator,
            tenant=None,
            outcome="success",
            subject=new.key_id,
            detail={"former": old.key_id, "objects": done.objects, "secrets": done.secrets},
        )
    return Rotated(old.key_id, new.key_id, done.objects, done.secrets, current or new_file, former)


def _new_key(path: Path) -> MasterKey:
    if not path.exists():
        MasterKey.write_new(path)
    return MasterKey.load(path)


def exchange_file(current: Path, new: Path, old_id: str) -> Path:
    """Put the key file `new` in the place of `current`, which is kept; returns where. Can be repeated.

    Raises ConfigError.
    """
    kept = current.with_name(f"{current.name}.former-{old_id}")
    try:
        with suppress(FileExistsError):
            os.link(current, kept)
        new.replace(current)
        sync_folder(current.parent)
    except OSError as problem:
        raise ConfigError(
            "file-unwritable",
            f"cannot put {new} in the place of {current}: {problem.strerror}",
            hint="everything is wrapped by the new key already: put it there by hand",
        ) from problem
    return kept
