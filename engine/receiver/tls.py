"""The receiver's side of DICOM over TLS: its certificate, whose certificates it believes, and what became of a handshake."""

from __future__ import annotations

import ssl
from pathlib import Path

from engine import log
from engine.config.receiver import ReceiverTlsConfig
from engine.dicom.tls_profiles import server_context
from engine.errors import ConfigError

_LOG = log.get("receiver")
Stamp = tuple[tuple[int, int, int], ...]

# By OpenSSL's own words for why a handshake failed; each is a label of the metric.
_REASONS = {
    "CERTIFICATE_VERIFY_FAILED": "certificate",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no-certificate",
    "NO_SHARED_CIPHER": "no-shared-suite",
    "UNSUPPORTED_PROTOCOL": "old-version",
    "HTTP_REQUEST": "not-tls",
    "WRONG_VERSION_NUMBER": "not-tls",
}


class Certificates:
    """The context for handshakes that begin now. Files that were replaced, as a renewal does, are read again by `refresh`."""

    def __init__(self, config: ReceiverTlsConfig) -> None:
        """Raises ConfigError that names the key and the file."""
        self._config = config
        self._stamp = _stamp(config)
        self.context = make_context(config)

    def refresh(self) -> None:
        """Takes changed files; what cannot be used changes nothing, and is told once."""
        stamp = _stamp(self._config)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.context = make_context(self._config)
        except ConfigError as error:
            _LOG.failure("tls-files-not-taken", error)
        else:
            _LOG.info("tls-files-taken")


def make_context(config: ReceiverTlsConfig) -> ssl.SSLContext:
    """Raises ConfigError."""
    context = server_context(config.profile)
    for name, path in _files(config):
        _check_readable(name, path)
    try:
        context.load_cert_chain(config.certificate, config.key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            "tls-unusable",
            f"receiver.tls.certificate and receiver.tls.key do not do: {_words(error)}",
            hint="they have to be PEM files that belong together, the key without a password, RSA of 2048 bits or more or a curve",
        ) from error
    if config.client_ca is not None:
        _believe(context, "client_ca", config.client_ca)
        if config.client_crl is not None:
            _believe(context, "client_crl", config.client_crl)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def why(error: BaseException) -> str:
    """What ended a handshake, in one of our own words."""
    if isinstance(error, ssl.SSLError):
        return _REASONS.get(getattr(error, "reason", None) or "", "refused")
    if isinstance(error, ConnectionAbortedError | TimeoutError):
        return "deadline"
    return "lost"


def _believe(context: ssl.SSLContext, key: str, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            "tls-unusable",
            f"receiver.tls.{key}: {path} does not do: {_words(error)}",
            hint="it has to be a PEM file",
        ) from error


def _files(config: ReceiverTlsConfig) -> list[tuple[str, Path]]:
    named = [
        ("certificate", config.certificate),
        ("key", config.key),
        ("client_ca", config.client_ca),
        ("client_crl", config.client_crl),
    ]
    return [(name, path) for name, path in named if path is not None]


def _stamp(config: ReceiverTlsConfig) -> Stamp:
    told = []
    for _, path in _files(config):
        try:
            about = path.stat()
        except OSError:
            told.append((0, 0, 0))
        else:
            told.append((about.st_mtime_ns, about.st_size, about.st_ino))
    return tuple(told)


def _check_readable(key: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(
            "file-unreadable",
            f"receiver.tls.{key}: {path} cannot be read: {error.strerror}",
            hint=f"correct receiver.tls.{key}",
        ) from error


def _no_password() -> str:
    raise ValueError("the key has a password")


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(error)
