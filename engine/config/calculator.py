"""`[calculator]`: the gateway's own Patient Hash Calculator, for the hospital's network; without the section there is none."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from engine.config.sections import Host, Port, Section


class CalculatorConfig(Section, frozen=True, kw_only=True):
    """Where the page listens, what people call it, who may come, and where they sign in.

    `url` is https://HOST or https://HOST:PORT, told to the platform; `networks` are those that may ask, all others get no
    answer; `sign_in` is the platform's address for people, "" where it is the host of the uploader's url.
    """

    host: Host = "0.0.0.0"  # noqa: S104 - the networks decide who gets an answer
    port: Port = 8445
    url: str
    certificate: Path
    key: Path
    networks: tuple[str, ...]
    sign_in: str = ""

    def __post_init__(self) -> None:
        _check_origin("url", self.url)
        if self.sign_in:
            _check_origin("sign_in", self.sign_in)
        if not self.networks:
            raise ValueError("networks must not be empty: name the hospital's networks")
        for network in self.networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(
                    'networks must be addresses or networks such as "10.1.0.0/16" (no bits behind the prefix)'
                ) from error

    def admits(self, address: str) -> bool:
        """Whether a caller with this IP address is in one of the networks; False for what is no address."""
        try:
            caller = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = caller.ipv4_mapped if isinstance(caller, ipaddress.IPv6Address) else None
        return any((mapped or caller) in ipaddress.ip_network(network) for network in self.networks)


def _check_origin(key: str, value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or value != f"https://{parts.netloc}":
        raise ValueError(f"{key} must be https://HOST or https://HOST:PORT, with nothing after it")
    if "@" in parts.netloc:
        raise ValueError(f"{key} must have no user and no password")
