"""What the commands for administrators work with: the configured platform's database and keys, without serving."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.config import PlatformConfig
from engine.platform.accounts import Accounts
from engine.platform.assembly import AUDIT_KEY, open_database, open_gateways
from engine.platform.audit import Actor, Audit, AuditKey
from engine.platform.database import Database
from engine.platform.gateways.registry import Gateways
from engine.platform.institutions import Institutions
from engine.platform.master_key import must_be_in_force, source_of
from engine.platform.storage import Storage
from engine.platform.vault import Vault


@dataclass(frozen=True)
class Administration:
    """The rooms that commands use. A running platform may go on meanwhile. `operator` is this machine's user."""

    config: PlatformConfig
    database: Database
    audit: Audit
    accounts: Accounts
    institutions: Institutions
    operator: Actor

    def vault(self) -> Vault:
        """The vault. Raises ConfigError when the master key is missing or not the one in force."""
        master = source_of(self.config.platform).load()
        must_be_in_force(self.database, master)
        return Vault(self.database, master)

    def gateways(self) -> Gateways:
        """The room of gateways. Raises ConfigError as `vault`, and for certificates that cannot be used."""
        master = source_of(self.config.platform).load()
        must_be_in_force(self.database, master)
        return open_gateways(self.config, self.database, master, Vault(self.database, master), self.audit)


@contextmanager
def administration(config: PlatformConfig) -> Iterator[Administration]:
    """Opens the configured platform's rooms, making what a first start would make. Raises ConfigError."""
    storage = Storage.open(config.platform.storage)
    audit_key = AuditKey.load_or_make(storage.root / AUDIT_KEY)
    database = open_database(config)
    try:
        audit = Audit(database, audit_key)
        yield Administration(
            config=config,
            database=database,
            audit=audit,
            accounts=Accounts(database, audit),
            institutions=Institutions(database),
            operator=Actor("system", _user()),
        )
    finally:
        database.close()


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return f"uid-{os.getuid()}"
