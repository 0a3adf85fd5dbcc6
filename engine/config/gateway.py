"""The sections of the gateway's configuration; `gateway.toml` explains them to people."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, field

from engine.config.enrolment import EnrolmentConfig
from engine.config.sections import Bytes, Fraction, Host, LogConfig, Port, Seconds, Section


def check_ae_title(title: str) -> None:
    """PS3.8 9.3.2 and PS3.5 6.2 (AE): 1 to 16 printable ASCII characters, no backslash, not spaces alone.

    Raises ValueError.
    """
    if not 1 <= len(title) <= 16 or not title.strip(" "):
        raise ValueError("ae_title must have 1 to 16 characters, not only spaces")
    if any(not " " <= c <= "~" or c == "\\" for c in title):
        raise ValueError("ae_title may have printable ASCII characters only, and no backslash")


def is_profile_file(name: str) -> bool:
    """True for a file of the user's own, False for a shipped profile."""
    return name.endswith(".toml")


class NameConfig(Section, frozen=True, kw_only=True):
    """`[gateway]`: what this gateway calls itself in its log."""

    name: Annotated[str, Meta(min_length=1, max_length=64, description="a short name")] = "penstock"


class SpoolConfig(Section, frozen=True, kw_only=True):
    """`[spool]`: where objects wait, and how much may wait there.

    Above `high_water` × `max_bytes` new associations are turned away until less than `low_water` is used.
    """

    path: Path
    max_bytes: Bytes = 20 * 1024**3
    high_water: Fraction = 0.85
    low_water: Fraction = 0.7
    durability: Literal["fsync", "flush"] = "fsync"

    def __post_init__(self) -> None:
        if not self.low_water < self.high_water:
            raise ValueError("low_water must be less than high_water")


class PeerConfig(Section, frozen=True, kw_only=True):
    """`[[receiver.peer]]`: who may send; `ae_title` is the calling AE title, or `*` for any."""

    ae_title: str
    network: str

    def __post_init__(self) -> None:
        if self.ae_title != "*":
            check_ae_title(self.ae_title)
        try:
            ipaddress.ip_network(self.network)
        except ValueError as error:
            raise ValueError(
                'network must be one address, or a network such as "10.1.0.0/16" (no bits behind the prefix)'
            ) from error

    def admits(self, calling_ae_title: str, address: str) -> bool:
        """True if a caller with this AE title (spaces around it do not count) and IP address is the peer.

        Raises ValueError if `address` is not an IP address.
        """
        if self.ae_title != "*" and self.ae_title.strip(" ") != calling_ae_title.strip(" "):
            return False
        caller = ipaddress.ip_address(address)
        # A socket that listens on both families shows IPv4 callers as ::ffff:a.b.c.d.
        mapped = caller.ipv4_mapped if isinstance(caller, ipaddress.IPv6Address) else None
        return (mapped or caller) in ipaddress.ip_network(self.network)


class ReceiverConfig(Section, frozen=True, kw_only=True):
    """`[receiver]`: the C-STORE SCP. Without a peer it refuses every caller."""

    host: Host = "0.0.0.0"  # noqa: S104 - a PACS is another machine; the peers decide who may send
    port: Port = 11112
    ae_title: str = "PENSTOCK"
    max_pdu: Annotated[int, Meta(ge=4096, le=16_777_216, description="bytes of the longest PDU")] = 131_072
    processes: Annotated[int, Meta(ge=1, le=64, description="receiver processes")] = 1
    peers: tuple[PeerConfig, ...] = field(default=(), name="peer")

    def __post_init__(self) -> None:
        check_ae_title(self.ae_title)


class PassesConfig(Section, frozen=True, kw_only=True):
    """`[passes]`: when the pass of a study is over."""

    quiet_seconds: Seconds = 60.0
    cap_seconds: Seconds = 86_400.0

    def __post_init__(self) -> None:
        if self.cap_seconds < self.quiet_seconds:
            raise ValueError("cap_seconds must not be less than quiet_seconds")


class PoolConfig(Section, frozen=True, kw_only=True):
    """`[pool]`: the workers that rewrite."""

    workers: Annotated[int, Meta(ge=1, le=256, description="worker processes")] = 2
    max_bytes_in_flight: Bytes = 256 * 1024**2


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


class RouteConfig(Section, frozen=True, kw_only=True):
    """`[[route]]`: another profile for what some callers send; `profile` as in `[profile] name`."""

    calling_ae_title: str | tuple[str, ...]
    profile: Annotated[str, Meta(min_length=1, description="a profile's name or its file")]

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

    @property
    def titles(self) -> tuple[str, ...]:
        """The AE titles without the spaces around them, which do not count."""
        given = (self.calling_ae_title,) if isinstance(self.calling_ae_title, str) else self.calling_ae_title
        return tuple(title.strip(" ") or title for title in given)


class UploaderConfig(Section, frozen=True, kw_only=True):
    """`[uploader]`: the platform, and this gateway's certificate for it."""

    url: str
    certificate: Path
    key: Path
    ca: Path
    requests_in_flight: Annotated[int, Meta(ge=1, le=256, description="requests at the same time")] = 4
    objects_per_request: Annotated[int, Meta(ge=1, le=1000, description="objects in one request")] = 16
    bytes_per_request: Bytes = 16 * 1024**2
    backoff_first: Seconds = 0.5
    backoff_max: Seconds = 60.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError("url must begin with https:// and name a host")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("url must have no user, password, query or fragment")
        if self.backoff_max < self.backoff_first:
            raise ValueError("backoff_max must not be less than backoff_first")


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
    identity: IdentityConfig
    profile: ProfileConfig = field(default_factory=ProfileConfig)
    routes: tuple[RouteConfig, ...] = field(default=(), name="route")
    uploader: UploaderConfig
    log: LogConfig = field(default_factory=LogConfig)
    metrics: MetricsConfig = field(default_factory=MetricsConfig)

    def __post_init__(self) -> None:
        admitted = {peer.ae_title.strip(" ") for peer in self.receiver.peers}
        known: set[str] = set()
        for number, route in enumerate(self.routes):
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
