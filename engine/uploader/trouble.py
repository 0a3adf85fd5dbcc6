"""Why a request did not get through, in words that name the thing and what to do.

Each trouble has a code, which the log tells; `penstock status` and docs/platform.md have the words.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import aiohttp

from engine.errors import TransportError

_RENEW_OURS = "renew uploader.certificate and uploader.key; the uploader reads them again by itself"

# Code: (message, what to do). All are retried: none of them says anything about an object.
TROUBLES: dict[str, tuple[str, str]] = {
    "platform-certificate-expired": (
        "the platform's certificate has expired or is not valid yet",
        "have the platform's certificate renewed, or correct the clock of this machine",
    ),
    "platform-host-mismatch": (
        "the platform's certificate is for another host",
        "use the host name of the certificate in uploader.url, or have it issued for this one",
    ),
    "platform-ca-unknown": (
        "the platform's certificate is not from the CA that uploader.ca holds",
        "check uploader.ca; if it is right, something else answers at uploader.url",
    ),
    "platform-certificate-wrong": (
        "the platform's certificate cannot be verified",
        "have the platform's certificate checked against uploader.ca",
    ),
    "gateway-certificate-expired": (
        "the platform refuses this gateway's certificate: it has expired",
        _RENEW_OURS,
    ),
    "gateway-certificate-refused": (
        "the platform refuses this gateway's certificate",
        "check that uploader.certificate is from the CA that the platform trusts; " + _RENEW_OURS,
    ),
    "tls-failed": (
        "no TLS connection with the platform comes about",
        "both sides need TLS 1.2 or newer with an AEAD suite; does uploader.url lead to a TLS port?",
    ),
    "platform-name": (
        "the platform's host name cannot be resolved",
        "check uploader.url and the name server of this machine",
    ),
    "platform-unreachable": (
        "the platform cannot be reached",
        "check that it runs, that uploader.url is right, and that no firewall is in between",
    ),
    "platform-silent": (
        "the platform does not take or answer a request in time",
        "look at the platform's load and at the network",
    ),
    "platform-broke-off": (
        "the platform closed the connection during a request",
        "look at the platform's log",
    ),
    "platform-busy": ("the platform asks to wait", "look at the platform's storage and load"),
    "platform-failed": ("the platform failed with a request", "look at the platform's log"),
    "platform-forbids": (
        "the platform does not allow this gateway to store",
        "have its rights checked there",
    ),
    "platform-url": (
        "there is no STOW-RS service at uploader.url",
        "correct uploader.url: it is what stands before /studies",
    ),
    "platform-accepts-only": (
        "the platform took a request without saying that the objects are stored (HTTP 202)",
        "look at the platform's log",
    ),
}

_EXPIRED, _HOST, _ADDRESS, _NOT_YET = 10, 62, 64, 9  # X509_V_ERR_…
_UNKNOWN_CA = {2, 18, 19, 20, 21, 24, 27}
_OURS_EXPIRED = "CERTIFICATE_EXPIRED"
_OURS_REFUSED = (
    "CERTIFICATE_REQUIRED",
    "UNKNOWN_CA",
    "BAD_CERTIFICATE",
    "CERTIFICATE_UNKNOWN",
    "CERTIFICATE_REVOKED",
    "UNSUPPORTED_CERTIFICATE",
    "ACCESS_DENIED",
)


def trouble(code: str) -> TransportError:
    """The error of that code."""
    message, hint = TROUBLES[code]
    return TransportError(code, message, hint=hint, retryable=True)


def explain(problem: BaseException) -> TransportError:
    """What an exception of the HTTP client, of TLS or of the network means."""
    for cause in _causes(problem):
        if isinstance(cause, aiohttp.ClientConnectorDNSError):
            return trouble("platform-name")
        if isinstance(cause, aiohttp.ClientError):
            continue  # some derive from TLS errors, without saying what those say
        if isinstance(cause, ssl.SSLCertVerificationError):
            return trouble(_of_verification(cause.verify_code))
        if isinstance(cause, ssl.SSLError):
            return trouble(_of_alert(str(cause.reason or cause)))
    if isinstance(problem, TimeoutError | asyncio.CancelledError):
        return trouble("platform-silent")
    if isinstance(problem, aiohttp.ClientConnectorError):
        return trouble("platform-unreachable")
    return trouble("platform-broke-off")


def of_status(status: int) -> TransportError:
    """What an answer means that says nothing about single objects."""
    if status in (408, 425, 429, 503, 507):
        return trouble("platform-busy")
    if status in (401, 403):
        return trouble("platform-forbids")
    if status in (404, 405, 501) or 300 <= status < 400:
        return trouble("platform-url")
    return trouble("platform-failed")


def _of_verification(code: int) -> str:
    if code in (_EXPIRED, _NOT_YET):
        return "platform-certificate-expired"
    if code in (_HOST, _ADDRESS):
        return "platform-host-mismatch"
    return "platform-ca-unknown" if code in _UNKNOWN_CA else "platform-certificate-wrong"


def _of_alert(reason: str) -> str:
    """TLS alerts (RFC 8446 6.2) as OpenSSL names them; those about certificates are the platform's view of
    ours.
    """
    if "ALERT" in reason:
        if _OURS_EXPIRED in reason:
            return "gateway-certificate-expired"
        if any(name in reason for name in _OURS_REFUSED):
            return "gateway-certificate-refused"
    return "tls-failed"


def _causes(problem: BaseException) -> Iterator[BaseException]:
    """The exception, and those that it was raised from or wraps."""
    waiting: list[BaseException | None] = [problem]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__context__, one.__cause__, getattr(one, "os_error", None)]
        waiting.append(getattr(one, "certificate_error", None))
