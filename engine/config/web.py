"""`[web]` of the platform: the listener for people, who have no client certificate."""

from __future__ import annotations

from pathlib import Path

from engine.config.sections import Host, Port, Section


class WebConfig(Section, frozen=True, kw_only=True):
    """`[web]`: pages, sign-in and enrolment. Without certificate and key it shows those of `[platform]`."""

    host: Host = "127.0.0.1"
    port: Port = 8444
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key must both be given, or neither")
