"""TLS for DICOM and DICOMweb, in either role: PS3.15 B.12 (BCP 195, RFC 8996 and 9325) and B.13 (the same, modified).

Both ask for TLS 1.2, and 1.3 where it is there; B.13 forbids static key exchange, CBC and old ciphers. Ephemeral ECDH with an
AEAD satisfies both, and is what RFC 9325 4.2 recommends. TLS 1.3 has no other suites.
"""

from __future__ import annotations

import ssl
from typing import Final

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The suites of TLS 1.2, as OpenSSL names them."""

MODIFIED_CIPHERS: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-CCM",
    "ECDHE-ECDSA-AES256-CCM8",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-CCM",
    "ECDHE-ECDSA-AES128-CCM8",
)
"""Those that a server of B.13 has to have, in B.13's order, and no others. Of TLS 1.3's it also wants two with CCM, which
Python's ssl cannot name: OpenSSL's own three are there, and a client has to have one of the five."""

SECURITY_LEVEL: Final = "@SECLEVEL=2"
"""OpenSSL's word for what B.13 asks of certificates and keys: RSA of 2,048 bits, curves of 224 and more, nothing signed with SHA-1.
It offers no curve below 256 bits."""

PORT: Final = 2762
"""The registered port `dicom-tls`."""


def harden(context: ssl.SSLContext) -> None:
    """Make a context of either side one of B.12 and B.13. Certificates and their verification are the caller's."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def server_context(profile: str) -> ssl.SSLContext:
    """A server's context: "bcp195" is B.12, "modified-bcp195" is B.13. It has no certificate yet, and wants none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    harden(context)
    suites = ":".join(MODIFIED_CIPHERS) if profile == "modified-bcp195" else CIPHERS
    context.set_ciphers(f"{suites}:{SECURITY_LEVEL}")
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    return context
