"""What both configurations are made of: the base of every section, and the kinds of value."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the file. One that breaks a rule between two of its keys cannot be made: ValueError."""


Host = Annotated[str, Meta(min_length=1, max_length=255, description="a host name or an IP address")]
Port = Annotated[int, Meta(ge=0, le=65535, description="a TCP port; 0 takes any free one")]
Bytes = Annotated[int, Meta(ge=1, description="a number of bytes")]
Seconds = Annotated[float, Meta(gt=0, le=31_536_000, description="seconds")]
Fraction = Annotated[float, Meta(gt=0, le=1, description="a part of the whole")]


class LogConfig(Section, frozen=True, kw_only=True):
    """`[log]`: JSON lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
