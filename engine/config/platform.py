"""The sections of the reference platform's configuration; `platform.toml` explains them to people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, field

from engine.config.gateways import GatewaysConfig
from engine.config.objects import ObjectsConfig
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
    master_key_file: Path | None = None
    master_key_credential: Annotated[str, Meta(description="the name of a systemd credential")] = ""
    master_key_command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = (
            self.master_key_file is not None,
            self.master_key_credential != "",
            self.master_key_command != (),
        )
        if sum(given) != 1:
            raise ValueError(
                "master_key_file, master_key_credential or master_key_command must be given, and only one of them"
            )
        if "/" in self.master_key_credential or self.master_key_credential in {".", ".."}:
            raise ValueError("master_key_credential must be a name, not a path")
        if self.master_key_command and not Path(self.master_key_command[0]).is_absolute():
            raise ValueError("master_key_command must begin with the whole path of a program")

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
    objects: ObjectsConfig = field(default_factory=ObjectsConfig)
    web: WebConfig | None = None
    gateways: GatewaysConfig = field(default_factory=GatewaysConfig)
    log: LogConfig = field(default_factory=LogConfig)
