"""`[web.oidc]` of the platform: people sign in at an OpenID provider, such as the hospital's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, field

from engine.config.sections import Section

Text = Annotated[str, Meta(min_length=1, max_length=255)]
Role = Literal["administrator", "calculator", "researcher", "auditor"]
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class OidcGrantConfig(Section, frozen=True, kw_only=True):
    """`[[web.oidc.grant]]`: whoever has `value` in the claim gets this role in this institution."""

    value: Text
    institution: Annotated[str, Meta(pattern="^[a-z0-9-]{1,63}$", description="the name of an institution")]
    role: Role


class OidcConfig(Section, frozen=True, kw_only=True):
    """`[web.oidc]`: the provider, and what its claims mean here. Who has no grant may not sign in by it."""

    issuer: Text
    client_id: Text
    client_secret_file: Path
    url: Text
    ca: Path | None = None
    label: Text = "Sign in with your hospital's account"
    scopes: tuple[Text, ...] = ("openid", "profile")
    name_claim: Text = "preferred_username"
    grant_claim: Text = "groups"
    grants: tuple[OidcGrantConfig, ...] = field(default=(), name="grant")

    def __post_init__(self) -> None:
        for key, value in (("issuer", self.issuer), ("url", self.url)):
            if not is_protected(value):
                raise ValueError(f"{key} must be a URL that begins with https://")
        if "openid" not in self.scopes:
            raise ValueError('scopes must have "openid" in it')

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends people back to; it must be registered there exactly so."""
        return self.url.rstrip("/") + "/oidc/callback"


def is_protected(url: str) -> bool:
    """Whether it is the URL of an https server, or of one on this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or parts.username or parts.query or parts.fragment or not url.isprintable():
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
