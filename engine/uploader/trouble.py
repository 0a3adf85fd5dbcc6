"""Why a request did not get through, in words that name the thing and what to do.

Each trouble has a code, which the log tells; `penstock status` and docs/destinations.md have the words. All are
retried: none of them says anything about an object.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import aiohttp

from engine.errors import TransportError

_RENEW_OURS = "renew {section}.certificate and {section}.key; the uploader reads them again by itself"

# The end of the code: (message, what to do). {who} is "the platform" or the destination, {section} its table.
PEERS: Final[dict[str, tuple[str, str]]] = {
    "certificate-expired": (
        "the certificate of {who} has expired or is not valid yet",
        "have that certificate renewed, or correct the clock of this machine",
    ),
    "host-mismatch": (
        "the certificate of {who} is for another host",
        "use the host name of the certificate in {section}.{place}, or have it issued for this one",
    ),
    "ca-unknown": (
        "the certificate of {who} is not from a CA that is trusted here",
        "check {section}.ca; if it is right, something else answers at {section}.{place}",
    ),
    "certificate-wrong": (
        "the certificate of {who} cannot be verified",
        "have it checked against {section}.ca",
    ),
    "name": (
        "the host name of {who} cannot be resolved",
        "check {section}.{place} and the name server of this machine",
    ),
    "unreachable": (
        "{who} cannot be reached",
        "check that it runs, that {section}.{place} is right, and that no firewall is in between",
    ),
    "silent": (
        "{who} does not take or answer a request in time",
        "look at its load and at the network",
    ),
    "broke-off": ("{who} closed the connection during a request", "look at its log"),
    "busy": ("{who} asks to wait", "look at its storage and load"),
    "failed": ("{who} failed with a request", "look at its log"),
    "forbids": (
        "{who} does not allow this gateway to store",
        "have its rights checked there, and what it signs in with here",
    ),
    "url": (
        "there is no STOW-RS service at {section}.url",
        "correct {section}.url: it is what stands before /studies",
    ),
    "accepts-only": (
        "{who} took a request without saying that the objects are stored (HTTP 202)",
        "look at its log",
    ),
    "answer": (
        "the answer of {who} is not a Store Instances Response",
        "is {section}.url a STOW-RS service, and is there a proxy in between?",
    ),
    "receipt-key": (
        "{who} does not tell the key that its receipts are signed with",
        "ask whoever runs it for the key, and set {section}.receipt_key",
    ),
    "receipt-signature": (
        "the receipts of {who} are not signed with the key that this gateway knows",
        (
            "if its key was changed on purpose, set {section}.receipt_key, or remove the remembered key from "
            "receipt-keys in the spool; else somebody stands in between"
        ),
    ),
    "rejected": (
        "{who} rejects the association",
        "have this gateway's AE title and address made known there, and check {section}.called_ae_title",
    ),
    "folder": (
        "the folder of {who} is not there",
        "make the folder {section}.path, or mount what belongs there",
    ),
    "full": ("the disk of {who} is full", "free some space there"),
    "disk": ("the disk of {who} does not work", "look at the system's log of that machine"),
    "bucket": (
        "there is no such bucket at {who}",
        "make it, or correct {section}.bucket, {section}.region and {section}.endpoint",
    ),
}

# Codes that are about this gateway, or about both.
OTHERS: Final[dict[str, tuple[str, str]]] = {
    "gateway-certificate-expired": (
        "{who} refuses this gateway's certificate: it has expired",
        _RENEW_OURS,
    ),
    "gateway-certificate-refused": (
        "{who} refuses this gateway's certificate",
        "check that {section}.certificate is from the CA that {who} trusts; " + _RENEW_OURS,
    ),
    "gateway-fenced": (
        "{who} refuses this gateway: another instance of it was enrolled later",
        "stop one of the two; to go on with this one, enrol it again: penstock enroll URL TOKEN",
    ),
    "gateway-revoked": (
        "{who} refuses this gateway: its enrolment was revoked",
        "ask the institution's administrator, and enrol it again: penstock enroll URL TOKEN",
    ),
    "gateway-unknown": (
        "{who} does not know this gateway",
        "enrol it there: penstock enroll URL TOKEN",
    ),
    "tls-failed": (
        "no TLS connection with {who} comes about",
        (
            "both sides need TLS 1.2 or newer with an AEAD suite; does {section}.{place} lead to a TLS port, and does it "
            "want a certificate of this gateway's ({section}.certificate)?"
        ),
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
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}
_NEW_FILES_HELP = ("certificate", "-ca-", "tls-", "-forbids", "gateway-")


def is_mended_by_new_files(problem: TransportError) -> bool:
    """Whether certificates or passwords that were put in place meanwhile may end it."""
    return any(part in problem.code for part in _NEW_FILES_HELP)


@dataclass(frozen=True, slots=True)
class Troubles:
    """The words for one destination: `prefix` begins its codes, `who` names it in messages, `section` is its table in the
    configuration and `place` the key there that says where it is.
    """

    prefix: str
    who: str
    section: str
    place: str = "url"

    def of(self, kind: str) -> TransportError:
        """The trouble of PEERS or OTHERS."""
        code = kind if kind in OTHERS else f"{self.prefix}-{kind}"
        message, hint = OTHERS[kind] if kind in OTHERS else PEERS[kind]
        told = {"who": self.who, "section": self.section, "place": self.place}
        return TransportError(code, message.format(**told), hint=hint.format(**told), retryable=True)

    def explain(self, problem: BaseException) -> TransportError:
        """What an exception of the HTTP client, of TLS or of the network means."""
        for cause in _causes(problem):
            if isinstance(cause, aiohttp.ClientConnectorDNSError):
                return self.of("name")
            if isinstance(cause, aiohttp.ClientError):
                continue  # some derive from TLS errors, without saying what those say
            if isinstance(cause, ssl.SSLCertVerificationError):
                return self.of(_of_verification(cause.verify_code))
            if isinstance(cause, ssl.SSLError):
                return self.of(_of_alert(str(cause.reason or cause)))
        if isinstance(problem, TimeoutError | asyncio.CancelledError):
            return self.of("silent")
        if isinstance(problem, aiohttp.ClientConnectorError):
            return self.of("unreachable")
        return self.of("broke-off")

    def of_status(self, status: int) -> TransportError:
        """What an HTTP status means that says nothing about single objects."""
        if status in (408, 425, 429, 503, 507):
            return self.of("busy")
        if status in (401, 403):
            return self.of("forbids")
        if status in (404, 405, 501) or 300 <= status < 400:
            return self.of("url")
        return self.of("failed")

    def of_disk(self, problem: OSError) -> TransportError:
        """What a failed call on the destination's own file system means."""
        number = problem.errno or 0
        if number in _FULL:
            return self.of("full")
        if number in _NO_FOLDER:
            return self.of("folder")
        if number in _NOT_ALLOWED:
            return self.of("forbids")
        told = self.of("disk")
        told.message += f": {os.strerror(number)}"
        return told


def _of_verification(code: int) -> str:
    if code in (_EXPIRED, _NOT_YET):
        return "certificate-expired"
    if code in (_HOST, _ADDRESS):
        return "host-mismatch"
    return "ca-unknown" if code in _UNKNOWN_CA else "certificate-wrong"


def _of_alert(reason: str) -> str:
    """TLS alerts (RFC 8446 6.2) as OpenSSL names them; those about certificates are the peer's view of ours."""
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
