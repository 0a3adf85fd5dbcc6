"""Puts the platform's rooms together for one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from engine.config import PlatformConfig
from engine.platform.accounts.people import open_people
from engine.platform.audit import Audit, AuditKey
from engine.platform.commit import Committer
from engine.platform.database import Database
from engine.platform.gateways.authority import GatewayAuthority
from engine.platform.gateways.registry import Gateways, Terms
from engine.platform.gateways.server_ca import server_ca, web_pin
from engine.platform.gateways.standing import Standing
from engine.platform.index import Index
from engine.platform.institutions import Institutions
from engine.platform.keys import MasterKey, SigningKey
from engine.platform.library import Library
from engine.platform.parts import Platform
from engine.platform.storage import Storage
from engine.platform.vault import Vault

AUDIT_KEY = "audit-key"


def open_database(config: PlatformConfig, *, migrate: bool = True) -> Database:
    """The database that the configuration names. Raises ConfigError."""
    settings = config.platform
    return Database.open(settings.database_url, password_file=settings.password_file, migrate=migrate)


def open_gateways(
    config: PlatformConfig, database: Database, master: MasterKey, vault: Vault, audit: Audit, port: int = 0
) -> Gateways:
    """The room of gateways. Raises ConfigError for certificates that cannot be used."""
    terms = Terms(
        certificate_seconds=config.gateways.certificate_hours * 3600,
        pin=web_pin(config),
        server_ca=server_ca(config),
        url=config.gateways.url,
        port=port or config.platform.port,
    )
    return Gateways(database, GatewayAuthority.load_or_make(database, master), vault, audit, terms)


@contextmanager
def assembled(
    config: PlatformConfig, storage: Storage, master: MasterKey, signing: SigningKey, port: int
) -> Iterator[Platform]:
    """The platform of a serving process, its threads running; all is closed at the end. `port` is where gateways send.

    The database's tables have been migrated, and the audit key made, already.
    """
    database = open_database(config, migrate=False)
    audit = Audit(database, AuditKey.load(storage.root / AUDIT_KEY))
    people = open_people(config.web, database, audit)
    vault = Vault(database, master)
    gateways = open_gateways(config, database, master, vault, audit, port)
    index = Index(database)
    committer = Committer(storage, index)
    committer.start()
    try:
        yield Platform(
            settings=config,
            database=database,
            storage=storage,
            master=master,
            signing=signing,
            committer=committer,
            library=Library(storage, master, index),
            institutions=Institutions(database),
            vault=vault,
            audit=audit,
            accounts=people.accounts,
            signing_in=people.signing_in,
            oidc=people.oidc,
            gateways=gateways,
            standing=Standing(gateways, audit),
        )
    finally:
        committer.stop()
        storage.close()
        database.close()
