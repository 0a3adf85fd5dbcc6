"""TLS for DICOM and DICOMweb, in either role: PS3.15 B.12 (BCP 195, RFC 8996 and 9325) and B.13 (the same, modified).

Both ask for TLS 1.2, and 1.3 where it is there; B.13 forbids static key exchange, CBC and old ciphers. Ephemeral ECDH with an
AEAD satisfies both, and is what RFC 9325 4.2 recommends. TLS 1.3 has no other suites.
"""

from __future__ import annotations

import ssl
from typing import Final

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The suites of TLS 1.2, as OpenSSL names them."""

PORT: Final = 2762
"""The registered port `dicom-tls`."""


def harden(context: ssl.SSLContext) -> None:
    """Make a context of either side one of B.12 and B.13. Certificates and their verification are the caller's."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
