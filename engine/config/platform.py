"""The sections of the reference platform's configuration; `platform.toml` explains them to people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from engine.config.gateways import GatewaysConfig
from engine.config.sections import Host, LogConfig, Port, Section
from engine.config.web import WebConfig


class PlatformServerConfig(Section, frozen=True, kw_only=True):
    """`[platform]`: where it listens, whom it trusts, and where objects and the master key lie."""

    host: Host = "127.0.0.1"
    port: Port = 8443
    certificate: Path
    key: Path
    client_ca: Path
    storage: Path
    database: Annotated[str, Meta(description="the URL of a database; empty is SQLite in the storage")] = ""
    database_password_file: Annotated[str, Meta(description="the path of a file, or empty")] = ""
    master_key_file: Path

    @property
    def database_url(self) -> str:
        """The URL that SQLAlchemy gets."""
        return self.database or f"sqlite:///{self.storage / 'platform.sqlite'}"

    @property
    def password_file(self) -> Path | None:
        """The file of the database's password."""
        return Path(self.database_password_file) if self.database_password_file else None


class PlatformConfig(Section, frozen=True, kw_only=True):
    """The whole file. Every path in it is absolute. Without `[web]` no person is served."""

    platform: PlatformServerConfig
    web: WebConfig | None = None
    gateways: GatewaysConfig = field(default_factory=GatewaysConfig)
    log: LogConfig = field(default_factory=LogConfig)
