"""`[web.sessions]` of the platform: how long somebody stays signed in."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from engine.config.sections import Section


class SessionsConfig(Section, frozen=True, kw_only=True):
    """`[web.sessions]`: in seconds, after the last request and after the sign-in."""

    idle: Annotated[int, Meta(ge=60, le=86_400)] = 1800
    absolute: Annotated[int, Meta(ge=60, le=604_800)] = 43_200
