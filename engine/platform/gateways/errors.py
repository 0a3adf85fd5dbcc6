"""What enrolment refuses, and the HTTP status of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engine.errors import PenstockError


class EnrolmentError(PenstockError):
    """A token, a certificate request or a gateway that is refused."""


STATUS: Mapping[str, int] = MappingProxyType(
    {
        "enrolment-request": 400,
        "csr-malformed": 400,
        "csr-signature": 400,
        "csr-key": 400,
        "csr-name": 400,
        "gateway-name": 400,
        "csr-institution": 403,
        "token-malformed": 400,
        "token-unknown": 403,
        "token-used": 403,
        "token-expired": 403,
        "token-withdrawn": 403,
        "token-gateway": 403,
        "gateway-unknown": 403,
        "gateway-fenced": 403,
        "gateway-revoked": 403,
        "gateway-certificate-expired": 403,
        "gateway-not-enrolled": 403,
        "too-many-enrolments": 429,
    }
)
"""Code → HTTP status; other codes are faults of the platform: 500."""
