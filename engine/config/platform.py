"""The sections of the reference platform's configuration; `platform.toml` explains them to people."""

from __future__ import annotations

from pathlib import Path

from msgspec import field

from engine.config.sections import Host, LogConfig, Port, Section


class PlatformServerConfig(Section, frozen=True, kw_only=True):
    """`[platform]`: where it listens, whom it trusts, and where objects and the master key lie."""

    host: Host = "127.0.0.1"
    port: Port = 8443
    certificate: Path
    key: Path
    client_ca: Path
    storage: Path
    master_key_file: Path


class PlatformConfig(Section, frozen=True, kw_only=True):
    """The whole file. Every path in it is absolute."""

    platform: PlatformServerConfig
    log: LogConfig = field(default_factory=LogConfig)
