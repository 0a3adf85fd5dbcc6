"""What is checked before anything is started, so that a mistake is one clear sentence and not a log full of
restarts.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

from engine.config import EnrolmentConfig, GatewayConfig
from engine.config.destinations import files_of
from engine.errors import ConfigError
from engine.spool.layout import Spool

LEAST_FREE = 64 << 20


def check(config: GatewayConfig, spool: Spool) -> dict[str, str]:
    """Raises ConfigError for what cannot work; what can, but should not stay so, comes back as code →
    sentence.
    """
    _check_port(config.receiver.host, config.receiver.port, "receiver")
    if config.receiver.tls is not None:
        _check_port(config.receiver.host, config.receiver.tls.port, "receiver.tls")
    if config.metrics.port:
        _check_port(config.metrics.host, config.metrics.port, "metrics")
    if config.enrolment is not None:
        _check_enrolled(config.enrolment)
    if config.identity.secret_file is not None:
        _check_readable("identity.secret_file", str(config.identity.secret_file))
    for destination in config.every_destination():
        for key, path in files_of(destination):
            _check_readable(key, str(path))
    free = spool.free_bytes()
    if free < LEAST_FREE:
        raise ConfigError(
            "spool-disk-full",
            f"the file system of the spool {spool.root} has {free >> 20} MiB left",
            hint="free some space there, or choose another [spool] path",
        )
    return dict(_warnings(config, free))


def _check_enrolled(enrolment: EnrolmentConfig) -> None:
    if not enrolment.is_enrolled:
        raise ConfigError(
            "not-enrolled",
            f"this gateway is not enrolled: there is no identity in {enrolment.folder}",
            hint="get a token from an administrator of the platform, then run: "
            f"penstock enroll URL TOKEN --folder {enrolment.folder}",
        )


def _warnings(config: GatewayConfig, free: int) -> Iterator[tuple[str, str]]:
    if free < config.spool.max_bytes:
        yield (
            "disk-smaller-than-budget",
            f"spool.max_bytes is {config.spool.max_bytes:,}, but the disk has {free:,} bytes left",
        )
    if not config.receiver.peers:
        yield "no-peers", "no [[receiver.peer]] is configured: every association is refused"
    if config.enrolment is not None and config.identity.secret_file is not None:
        yield (
            "secret-from-file",
            "identity.secret_file wins over the platform's hash secret: leave it out unless both are the same",
        )
    if config.spool.durability == "flush":
        yield "durability-flush", 'spool.durability is "flush": a power cut loses acknowledged objects'


def _check_port(host: str, port: int, section: str) -> None:
    if port == 0:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        hints = {
            errno.EADDRINUSE: f"stop what uses it (ss -ltnp shows it), or change {section}.port",
            errno.EACCES: f"ports below 1024 need a privilege; choose a higher {section}.port",
            errno.EADDRNOTAVAIL: f"{section}.host has to be an address of this machine",
        }
        raise ConfigError(
            "cannot-listen",
            f"cannot listen on {host}:{port} ({section}.port): {error.strerror or 'unknown host'}",
            hint=hints.get(error.errno or 0, f"change {section}.host or {section}.port"),
        ) from error


def _check_readable(key: str, path: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        hint = (
            "make a secret with: penstock secret new FILE" if key.startswith("identity") else f"correct {key}"
        )
        raise ConfigError(
            "file-unreadable", f"{key}: {path} cannot be read: {os.strerror(error.errno or 0)}", hint=hint
        ) from error
