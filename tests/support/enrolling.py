"""A platform's room of gateways without its servers, and requests of gateways, good and bad."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.platform.audit import Actor, Audit, AuditKey
from engine.platform.database import Database
from engine.platform.gateways.authority import GatewayAuthority
from engine.platform.gateways.registry import Gateways, Terms
from engine.platform.institutions import Institutions
from engine.platform.keys import MasterKey
from engine.platform.vault import Vault

PIN = bytes(range(32))
TENANT, OTHER = "st-marys", "elsewhere"
ADMIN = Actor("person", "adam", "192.0.2.1")
MASTER = MasterKey(bytes(range(32)))
DAY = 86_400.0


class Clock:
    """Seconds since 1970 that a test moves."""

    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Room:
    """What a test of tokens and epochs needs."""

    database: Database
    gateways: Gateways
    audit: Audit
    vault: Vault
    clock: Clock

    def trail(self, chain: str = TENANT) -> list[tuple[str, str, str]]:
        """(event, outcome, subject) of every row of an institution."""
        return [(row.event, row.outcome, row.subject) for row in self.audit.rows(chain)]


def room(database: Database, terms: Terms | None = None) -> Room:
    """With two institutions."""
    for name in (TENANT, OTHER):
        Institutions(database).add(name)
    clock = Clock()
    audit = Audit(database, AuditKey(bytes(32)))
    vault = Vault(database, MASTER)
    authority = GatewayAuthority.load_or_make(database, MASTER)
    chosen = terms or Terms(DAY, PIN, b"PEM")
    return Room(
        database, Gateways(database, authority, vault, audit, chosen, clock=clock), audit, vault, clock
    )


def csr(*names: tuple[x509.ObjectIdentifier, str], key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """A certificate request with any subject, PEM."""
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = made.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def named(name: str = "", organization: str = "") -> bytes:
    """A request for a gateway of this name and organization; "" leaves one out."""
    parts = [(NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, organization)]
    return csr(*((oid, value) for oid, value in parts if value))
