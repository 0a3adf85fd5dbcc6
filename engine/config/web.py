"""`[web]` of the platform: the listener for people, who have no client certificate."""

from __future__ import annotations

from pathlib import Path

from msgspec import field

from engine.config.oidc import OidcConfig
from engine.config.sections import Host, Port, Section
from engine.config.sessions import SessionsConfig


class WebConfig(Section, frozen=True, kw_only=True):
    """`[web]`: pages, sign-in and enrolment. Without certificate and key it shows those of `[platform]`."""

    host: Host = "127.0.0.1"
    port: Port = 8444
    certificate: Path | None = None
    key: Path | None = None
    sessions: SessionsConfig = field(default_factory=SessionsConfig)
    oidc: OidcConfig | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key must both be given, or neither")
