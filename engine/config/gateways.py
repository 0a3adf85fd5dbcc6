"""`[gateways]` of the platform: what enrolled gateways are given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

from engine.config.sections import Section

Hours = Annotated[float, Meta(gt=0, le=8760, description="hours")]


class GatewaysConfig(Section, frozen=True, kw_only=True):
    """`[gateways]`: the life of their certificates, and by which address and CA they know this platform.

    `url` "" is the host name that the gateway enrolled at, with the port of `[platform]`. `server_ca` None is
    `platform.client_ca`, if that vouches for the platform's own certificate.
    """

    certificate_hours: Hours = 24.0
    url: str = ""
    server_ca: Path | None = None

    def __post_init__(self) -> None:
        if self.url:
            parts = urlsplit(self.url)
            if (
                parts.scheme != "https"
                or not parts.hostname
                or parts.query
                or parts.fragment
                or parts.username
            ):
                raise ValueError("url must begin with https://, name a host, and have no user or query")
