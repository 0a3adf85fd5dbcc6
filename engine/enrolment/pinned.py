"""The first connection: the platform proves in the TLS handshake that it has the key which the token names. Before
that not a byte of a request is sent. No CA is needed, which a fresh machine would have to be given first.
"""

from __future__ import annotations

import datetime
import hashlib
import http.client
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.enrolment.trouble import explain, trouble
from engine.errors import ConfigError, TransportError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # TLS 1.2: forward secrecy and AEAD; TLS 1.3 has no other suites
CONNECT_SECONDS = 15.0
ANSWER_SECONDS = 60.0


class PinnedConnection(http.client.HTTPSConnection):
    """Use `open`; it is verified then."""

    _pin: bytes

    @classmethod
    def open(cls, host: str, port: int, pin: bytes) -> PinnedConnection:
        """Connect, and verify: the key by `pin` (SHA-256 of its SubjectPublicKeyInfo), the host name, the dates.

        Raises TransportError, or ConfigError("clock-wrong"); the connection is closed then, and nothing was sent.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.check_hostname = False
        context.verify_mode = (
            ssl.CERT_NONE
        )  # `_verify` does it: the chain says nothing that the pin does not say better
        made = cls(host, port, timeout=CONNECT_SECONDS, context=context)
        made._pin = pin
        try:
            made.connect()
        except (OSError, http.client.HTTPException) as problem:
            made.close()
            raise explain(problem) from problem
        return made

    def connect(self) -> None:
        """Each connection anew is verified, if the platform closed the first one."""
        super().connect()
        try:
            shown = self.sock.getpeercert(binary_form=True)
            if not shown:
                raise trouble("tls-failed")
            _verify(x509.load_der_x509_certificate(shown), self.host, self._pin)
            self.sock.settimeout(ANSWER_SECONDS)
        except BaseException:
            self.close()
            raise


def pin_of(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the certificate's public key (SubjectPublicKeyInfo, DER)."""
    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).digest()


def _verify(certificate: x509.Certificate, host: str, pin: bytes) -> None:
    if pin_of(certificate) != pin:
        raise TransportError(
            "platform-not-the-tokens",
            "what answers there is not the platform that made the token: nothing was sent to it",
            hint="check the URL; if it is right, ask for a new token (the platform's key may have changed)",
        )
    names = certificate_hosts(certificate)
    if not _is_for(host, names):
        told = ", ".join(names[:5]) or "no host"
        raise TransportError(
            "platform-host-mismatch",
            f"the platform's certificate is for {told}, not for {host}",
            hint="use a name of the certificate in the URL",
        )
    now = datetime.datetime.now(datetime.UTC)
    if now < certificate.not_valid_before_utc:
        raise ConfigError(
            "clock-wrong",
            f"by the clock of this machine it is {now:%Y-%m-%d %H:%M} UTC, and the platform's certificate is not valid yet",
            hint="set the clock (timedatectl shows it)",
        )
    if now > certificate.not_valid_after_utc:
        raise trouble("platform-certificate-expired")


def certificate_hosts(certificate: x509.Certificate) -> list[str]:
    """The DNS names and IP addresses that a certificate is for (RFC 6125: subjectAltName alone counts)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *names.get_values_for_type(x509.DNSName),
        *(str(one) for one in names.get_values_for_type(x509.IPAddress)),
    ]


def _is_for(host: str, names: list[str]) -> bool:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        wanted = host.rstrip(".").lower()
        parent = wanted.partition(".")[2]
        return any(name.lower() == wanted or (parent and name.lower() == f"*.{parent}") for name in names)
    return str(address) in names
