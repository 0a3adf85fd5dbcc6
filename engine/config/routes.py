"""`[[route]]`: what some callers send is treated by another profile, or goes to another destination."""

from __future__ import annotations

from engine.config.ae_title import check_ae_title
from engine.config.destinations import ProfileName
from engine.config.sections import Section


class RouteConfig(Section, frozen=True, kw_only=True):
    """`[[route]]`: another profile, another destination, or both, for what some callers send. `profile` as in `[profile] name`."""

    calling_ae_title: str | tuple[str, ...]
    profile: ProfileName | None = None
    destination: str | None = None

    def __post_init__(self) -> None:
        if not self.titles:
            raise ValueError("calling_ae_title must not be empty")
        for title in self.titles:
            if title == "*":
                raise ValueError("calling_ae_title must name callers; [profile] is for all others")
            try:
                check_ae_title(title)
            except ValueError as error:
                raise ValueError(f"calling_{error}") from error
        if self.profile is None and self.destination is None:
            raise ValueError("profile and destination are missing: a route has at least one of them")

    @property
    def titles(self) -> tuple[str, ...]:
        """The AE titles without the spaces around them, which do not count."""
        given = (self.calling_ae_title,) if isinstance(self.calling_ae_title, str) else self.calling_ae_title
        return tuple(title.strip(" ") or title for title in given)
