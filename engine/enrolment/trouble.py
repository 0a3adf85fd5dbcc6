"""Why the platform did not answer as it should, in words that name the thing and what to do."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from types import MappingProxyType

from engine.errors import TransportError

_EXPIRED, _NOT_YET, _HOST, _ADDRESS = 10, 9, 62, 64  # X509_V_ERR_…

TROUBLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "platform-name": (
            "the platform's host name cannot be resolved",
            "check the URL and the name server of this machine",
        ),
        "platform-unreachable": (
            "the platform cannot be reached",
            "check that it runs, that the URL is right, and that no firewall is in between",
        ),
        "platform-silent": (
            "the platform does not answer in time",
            "look at the platform's load and at the network",
        ),
        "platform-broke-off": (
            "the platform closed the connection without an answer",
            "does the URL lead to the platform's [web] port?",
        ),
        "platform-certificate-expired": (
            "the platform's certificate has expired or is not valid yet",
            "have the platform's certificate renewed, or correct the clock of this machine",
        ),
        "platform-host-mismatch": (
            "the platform's certificate is for another host",
            "use the host name of the certificate in the URL, or have it issued for this one",
        ),
        "platform-ca-unknown": (
            "the platform's certificate is not from the CA that vouches for it",
            "has the platform a new CA? Then enrol again; else something else answers there",
        ),
        "gateway-certificate-expired": (
            "the platform refuses this gateway's certificate: it has expired",
            "enrol this gateway again: penstock enroll URL TOKEN --replace",
        ),
        "gateway-certificate-refused": (
            "the platform refuses this gateway's certificate",
            "enrol this gateway again: penstock enroll URL TOKEN --replace",
        ),
        "tls-failed": (
            "no TLS connection with the platform comes about",
            "both sides need TLS 1.2 or newer with an AEAD suite; does the URL lead to a TLS port?",
        ),
        "platform-answer": (
            "the answer is not one that a Penstock platform gives",
            "does the URL lead to the platform's [web] port? Is a proxy in between?",
        ),
    }
)


def trouble(code: str) -> TransportError:
    """The error of that code."""
    message, hint = TROUBLES[code]
    return TransportError(code, message, hint=hint, retryable=True)


def explain(problem: Exception) -> TransportError:
    """What an exception of a connection means."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        if problem.verify_code in (_EXPIRED, _NOT_YET):
            return trouble("platform-certificate-expired")
        mismatch = problem.verify_code in (_HOST, _ADDRESS)
        return trouble("platform-host-mismatch" if mismatch else "platform-ca-unknown")
    if isinstance(problem, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return trouble("platform-broke-off")
    if isinstance(problem, ssl.SSLError):
        return trouble(_of_alert(str(problem.reason or problem)))
    if isinstance(problem, socket.gaierror):
        return trouble("platform-name")
    if isinstance(problem, TimeoutError):
        return trouble("platform-silent")
    if isinstance(problem, http.client.HTTPException | ConnectionResetError | BrokenPipeError):
        return trouble("platform-broke-off")
    return trouble("platform-unreachable")


def _of_alert(reason: str) -> str:
    """TLS alerts (RFC 8446 6.2) as OpenSSL names them; those about certificates are the platform's view of ours."""
    if "ALERT" not in reason:
        return "tls-failed"
    if "CERTIFICATE_EXPIRED" in reason:
        return "gateway-certificate-expired"
    ours = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
    return "gateway-certificate-refused" if any(word in reason for word in ours) else "tls-failed"
