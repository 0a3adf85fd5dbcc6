"""The sections of the gateway's configuration; `gateway.toml` explains them to people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from engine.config.calculator import CalculatorConfig
from engine.config.destinations import DestinationConfig, UploaderConfig, check_names, of_uploader
from engine.config.enrolment import EnrolmentConfig
from engine.config.receiver import ReceiverConfig
from engine.config.routes import RouteConfig
from engine.config.sections import Bytes, Fraction, Host, LogConfig, Seconds, Section


def is_profile_file(name: str) -> bool:
    """True for a file of the user's own, False for a shipped profile."""
    return name.endswith(".toml")


class NameConfig(Section, frozen=True, kw_only=True):
    """`[gateway]`: what this gateway calls itself in its log."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="a short name")] = "penstock"


class SpoolConfig(Section, frozen=True, kw_only=True):
    """`[spool]`: where objects wait, and how much may wait there.

    Above `high_water` × `max_bytes` new associations are turned away until less than `low_water` is used; from `slow_water` on
    (None: from `low_water` on) senders are slowed.
    """

    path: Path
    max_bytes: Bytes = 20 * 1024**3
    high_water: Fraction = 0.85
    low_water: Fraction = 0.7
    slow_water: Fraction | None = None
    durability: Literal["fsync", "flush"] = "fsync"

    def __post_init__(self) -> None:
        if not self.low_water < self.high_water:
            raise ValueError("low_water must be less than high_water")
        if self.slow_water is not None and not self.low_water <= self.slow_water <= self.high_water:
            raise ValueError("slow_water must lie between low_water and high_water")

    @property
    def slows_from(self) -> float:
        """The part of `max_bytes` from which on senders are slowed."""
        return self.low_water if self.slow_water is None else self.slow_water


class PassesConfig(Section, frozen=True, kw_only=True):
    """`[passes]`: when the pass of a study is over."""

    quiet_seconds: Seconds = 60.0
    repeat_seconds: Seconds = 600.0
    cap_seconds: Seconds = 86_400.0
    max_open: Annotated[int, Meta(ge=1, le=100_000, description="open passes at a time")] = 4096

    def __post_init__(self) -> None:
        if self.cap_seconds < self.quiet_seconds:
            raise ValueError("cap_seconds must not be less than quiet_seconds")


class PoolConfig(Section, frozen=True, kw_only=True):
    """`[pool]`: the workers that rewrite."""

    workers: Annotated[int, Meta(ge=1, le=256, description="worker processes")] = 2
    max_bytes_in_flight: Bytes = 256 * 1024**2
    max_outbox: Annotated[int, Meta(ge=1, description="planned objects that wait for their delivery")] = (
        20_000
    )


class IdentityConfig(Section, frozen=True, kw_only=True):
    """`[identity]`: the hash secret's file, and whether the Issuer of Patient ID is part of an identity.

    `secret_file` is None where the secret comes from the platform (`[enrolment]`).
    """

    secret_file: Path | None
    issuer: bool = False


class ProfileConfig(Section, frozen=True, kw_only=True):
    """`[profile]`: the name of a shipped profile, or a path that ends in `.toml`."""

    name: Annotated[str, Meta(min_length=1, description="a profile's name or its file")] = "default"

    @property
    def is_file(self) -> bool:
        """True if `name` is a file of the user's own, False if it is a shipped profile."""
        return is_profile_file(self.name)


class MetricsConfig(Section, frozen=True, kw_only=True):
    """`[metrics]`: the address of metrics and health; port 0 turns them off."""

    host: Host = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="a TCP port; 0 is off")] = 0


class GatewayConfig(Section, frozen=True, kw_only=True):
    """The whole file. Every path in it is absolute."""

    gateway: NameConfig = field(default_factory=NameConfig)
    spool: SpoolConfig
    receiver: ReceiverConfig = field(default_factory=ReceiverConfig)
    passes: PassesConfig = field(default_factory=PassesConfig)
    pool: PoolConfig = field(default_factory=PoolConfig)
    enrolment: EnrolmentConfig | None = None
    calculator: CalculatorConfig | None = None
    identity: IdentityConfig
    profile: ProfileConfig = field(default_factory=ProfileConfig)
    routes: tuple[RouteConfig, ...] = field(default=(), name="route")
    uploader: UploaderConfig | None = None
    destinations: tuple[DestinationConfig, ...] = field(default=(), name="destination")
    log: LogConfig = field(default_factory=LogConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)

    def __post_init__(self) -> None:
        if self.calculator is not None and (self.enrolment is None or self.uploader is None):
            raise ValueError(
                "calculator needs [enrolment] and [uploader]: people sign in to it by the platform"
            )
        check_names(self.destinations, uploader=self.uploader is not None)
        self._check_routes()

    def every_destination(self) -> tuple[DestinationConfig, ...]:
        """All destinations, at least one; that of [uploader] is the first, and is called "platform"."""
        own = () if self.uploader is None else (of_uploader(self.uploader),)
        return (*own, *self.destinations)

    @property
    def default_destination(self) -> str:
        """Where what callers without a route send goes: the one with `default = true`, else [uploader], else the only one."""
        every = self.every_destination()
        return next((one.name for one in every if one.default), every[0].name)

    @property
    def ways(self) -> dict[str, tuple[str, str]]:
        """(profile, destination) by name for each calling AE title with a route, and under "" for everybody else."""
        found = {title: self.way(route) for route in self.routes for title in route.titles}
        return {**found, "": self.way(None)}

    def way(self, route: RouteConfig | None) -> tuple[str, str]:
        """(profile, destination) by name for callers with this route, or for all others. A profile of the route goes before that of
        the destination, and that before [profile].
        """
        name = (route and route.destination) or self.default_destination
        destination = next(one for one in self.every_destination() if one.name == name)
        return (route and route.profile) or destination.profile or self.profile.name, name

    def _check_routes(self) -> None:
        destinations = [one.name for one in self.every_destination()]
        admitted = {peer.ae_title.strip(" ") for peer in self.receiver.peers}
        known: set[str] = set()
        for number, route in enumerate(self.routes):
            if route.destination is not None and route.destination not in destinations:
                raise ValueError(
                    f"route[{number}].destination names a destination that does not exist; "
                    f"there is {', '.join(destinations)}"
                )
            for title in route.titles:
                if title in known:
                    raise ValueError(
                        f"route[{number}].calling_ae_title names a caller that has a route already"
                    )
                if title not in admitted and "*" not in admitted:
                    raise ValueError(
                        f"route[{number}].calling_ae_title names a caller that no [[receiver.peer]] admits"
                    )
                known.add(title)
