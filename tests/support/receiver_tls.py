"""A receiver that speaks TLS, and what senders need for it."""

from __future__ import annotations

import datetime
import socket
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.config.receiver import ReceiverTlsConfig
from engine.metrics.reading import read
from tests.support.platform_process import Pki
from tests.support.receiver import HOST, PATIENCE, Peer, Running

FAILED = "penstock_handshakes_failed_total"


def settings(
    pki: Pki, *, mutual: bool = True, crl: Path | None = None, profile: str = "bcp195"
) -> ReceiverTlsConfig:
    """`[receiver.tls]` with the server's certificate; `mutual`: senders need one too."""
    return ReceiverTlsConfig(
        certificate=pki.server[0],
        key=pki.server[1],
        client_ca=pki.ca if mutual else None,
        client_crl=crl,
        profile=profile,  # type: ignore[arg-type]
        port=0,
    )


def failures(receiver: Running) -> dict[str, int]:
    """Failed handshakes by reason."""
    return {
        key.partition('why="')[2].partition('"')[0]: int(count)
        for key, count in read(receiver.spool.run).items()
        if key.startswith(FAILED)
    }


class SecurePeer(Peer):
    """A caller on a TLS socket."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        raw = socket.create_connection((HOST, port), timeout=PATIENCE)
        try:
            self.socket = context.wrap_socket(raw, server_hostname=HOST)
        except OSError:
            raw.close()
            raise


def revoke(pki: Pki, certificate: Path, path: Path) -> Path:
    """A revocation list of the CA that names this certificate."""
    now = datetime.datetime.now(datetime.UTC)
    one = x509.load_pem_x509_certificate(certificate.read_bytes())
    credential = pki.authority.credential()
    key = serialization.load_pem_private_key(credential.key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    revoked = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(now).build()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.load_pem_x509_certificate(credential.certificate).subject)
        .last_update(now)
        .next_update(now + datetime.timedelta(days=1))
        .add_revoked_certificate(revoked)
    )
    path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path
