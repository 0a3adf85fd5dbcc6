"""`[receiver]`: who may send, by which port, and how."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from engine.config.ae_title import check_ae_title
from engine.config.sections import Host, Port, Section

MOST_PEERS = 256
_UID = re.compile(r"[0-9.]{1,64}")
DICOM_TLS_PORT = 2762

PeerName = Annotated[
    str,
    Meta(pattern=r"^([a-z][a-z0-9_-]{0,31})?$", description="a letter, then up to 31 of a-z, 0-9, - and _"),
]


class PeerConfig(Section, frozen=True, kw_only=True):
    """`[[receiver.peer]]`: who may send; `ae_title` is the calling AE title, or `*` for any.

    `name` is what metrics call it ("" = by its place in the file, from 1). `associations` bounds how many it may have at once, over
    all receiver processes. With `tls` it is known on the TLS port alone.
    """

    ae_title: str
    network: str
    name: PeerName = ""
    associations: Annotated[int, Meta(ge=1, le=16_384, description="associations at the same time")] = 256
    tls: bool = False

    def __post_init__(self) -> None:
        if self.ae_title != "*":
            check_ae_title(self.ae_title)
        try:
            ipaddress.ip_network(self.network)
        except ValueError as error:
            raise ValueError(
                'network must be one address, or a network such as "10.1.0.0/16" (no bits behind the prefix)'
            ) from error

    def admits(self, calling_ae_title: str, address: str, *, secured: bool = False) -> bool:
        """True if a caller with this AE title (spaces around it do not count) and IP address is the peer. `secured`: by TLS.

        Raises ValueError if `address` is not an IP address.
        """
        if self.tls and not secured:
            return False
        if self.ae_title != "*" and self.ae_title.strip(" ") != calling_ae_title.strip(" "):
            return False
        caller = ipaddress.ip_address(address)
        # A socket that listens on both families shows IPv4 callers as ::ffff:a.b.c.d.
        mapped = caller.ipv4_mapped if isinstance(caller, ipaddress.IPv6Address) else None
        return (mapped or caller) in ipaddress.ip_network(self.network)


class ReceiverTlsConfig(Section, frozen=True, kw_only=True):
    """`[receiver.tls]`: a port of its own for DICOM over TLS (PS3.15 B.12, B.13).

    `client_ca` says who vouches for senders: with it none comes in without a certificate. `client_crl` lists the certificates that
    were revoked since.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    client_crl: Path | None = None
    profile: Literal["bcp195", "modified-bcp195"] = "bcp195"
    port: Port = DICOM_TLS_PORT

    def __post_init__(self) -> None:
        if self.client_crl is not None and self.client_ca is None:
            raise ValueError("client_crl needs client_ca, which says who made the certificates")


class ReceiverConfig(Section, frozen=True, kw_only=True):
    """`[receiver]`: the C-STORE SCP. Without a peer it refuses every caller. `transfer_syntaxes` are the UIDs of those that are
    accepted; none stands for all that can be read.
    """

    host: Host = "0.0.0.0"  # noqa: S104 - a PACS is another machine; the peers decide who may send
    port: Port = 11112
    ae_title: str = "PENSTOCK"
    max_pdu: Annotated[int, Meta(ge=4096, le=16_777_216, description="bytes of the longest PDU")] = 131_072
    processes: Annotated[int, Meta(ge=1, le=64, description="receiver processes")] = 1
    transfer_syntaxes: tuple[str, ...] = ()
    peers: tuple[PeerConfig, ...] = field(default=(), name="peer")
    tls: ReceiverTlsConfig | None = None

    def __post_init__(self) -> None:
        check_ae_title(self.ae_title)
        for uid in self.transfer_syntaxes:
            if not _UID.fullmatch(uid):
                raise ValueError(
                    "transfer_syntaxes must have UIDs of digits and dots, such as 1.2.840.10008.1.2.1"
                )
        if len(self.peers) > MOST_PEERS:
            raise ValueError(f"peer: there may be at most {MOST_PEERS}; one may be a whole network")
        named: set[str] = set()
        for number, peer in enumerate(self.peers):
            if peer.name and peer.name in named:
                raise ValueError(f"peer[{number}].name is that of another peer already")
            named.add(peer.name)
            if peer.tls and self.tls is None:
                raise ValueError(f"peer[{number}].tls needs the table [receiver.tls]")
        if self.tls is not None and self.tls.port and self.tls.port == self.port:
            raise ValueError("tls.port must be another port than receiver.port")

    def peer_name(self, index: int) -> str:
        """What metrics call the peer: its name, else its place in the file, from 1."""
        return self.peers[index].name or str(index + 1)
