"""The configuration, as far as it can be judged without starting anything: profiles, the hash secret, certificates, peers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

from engine.config import GatewayConfig
from engine.config.destinations import PLATFORM, files_of
from engine.coordinator.routes import Routes
from engine.doctor.certificate import validity_of
from engine.doctor.credentials import unseen
from engine.doctor.finding import Finding, Level
from engine.doctor.passes import Settings
from engine.errors import ConfigError
from engine.pseudonymize.identity import HashSecret

SOON = datetime.timedelta(days=30)


def read_settings(config: GatewayConfig) -> tuple[Settings | None, list[Finding]]:
    """What passes are compared with, and what is wrong with it."""
    found: list[Finding] = []
    routes: Routes | None = None
    key_id = ""
    try:
        routes = Routes.compile(config)
    except ConfigError as error:
        found.append(_unusable("profile-unusable", error))
    secret = config.identity.secret_file
    hidden = None if secret is None else unseen("identity.secret_file", secret)
    if secret is not None and hidden is None:
        try:
            key_id = HashSecret.load(secret).key_id
        except ConfigError as error:
            found.append(_unusable("secret-unusable", error))
    destinations = frozenset(one.name for one in config.every_destination())
    settings = None if found or routes is None else Settings(routes, key_id, destinations)
    if hidden is not None:
        found.append(hidden)
    return settings, [*found, *_enrolled(config)]


def certificates(config: GatewayConfig, now: datetime.datetime) -> Iterator[Finding]:
    """Whether the files of certificates are there, and how long they are valid. `now` is aware."""
    for key, path in _files(config):
        if key.endswith(("password_file", "token_file", "credentials_file", ".key")):
            yield from _readable(key, path)
            continue
        try:
            validity = validity_of(path)
        except OSError as error:
            yield _missing(key, path, error)
            continue
        except ValueError as error:
            yield Finding(
                Level.UNUSABLE,
                "certificate-unreadable",
                f"{key}: {path} {error}",
                "refuse to start",
                f"correct {key}: a PEM file is expected",
                where=str(path),
            )
            continue
        yield from _judge(key, path, validity.not_before, validity.not_after, now)


def peers(config: GatewayConfig) -> Iterator[Finding]:
    """Whether anybody may send, and whether too many may."""
    if not config.receiver.peers:
        yield Finding(
            Level.WARNING,
            "no-peers",
            "no [[receiver.peer]] is configured",
            "refuse every association",
            "add the PACS: its AE title and its network",
        )
    for index, peer in enumerate(config.receiver.peers):
        if peer.ae_title == "*" and peer.network in ("0.0.0.0/0", "::/0"):
            yield Finding(
                Level.WARNING,
                "peer-anybody",
                f"receiver.peer[{index}] admits any AE title from any address",
                "take objects from whoever reaches the port",
                "name the sender's AE title and network",
            )


def _enrolled(config: GatewayConfig) -> Iterator[Finding]:
    if config.enrolment is not None and not config.enrolment.is_enrolled:
        yield Finding(
            Level.WARNING,
            "not-enrolled",
            "this gateway is not enrolled with a platform",
            "receive and keep, but neither rewrite nor send",
            "ask the platform's administrator for a token, then: penstock enroll URL TOKEN",
            where=str(config.enrolment.folder),
        )


def _files(config: GatewayConfig) -> Iterator[tuple[str, Path]]:
    for destination in config.every_destination():
        if config.enrolment is None or destination.name != PLATFORM or config.enrolment.is_enrolled:
            yield from files_of(destination)
    tls = config.receiver.tls
    if tls is not None:
        yield from (("receiver.tls.certificate", tls.certificate), ("receiver.tls.key", tls.key))
        if tls.client_ca is not None:
            yield "receiver.tls.client_ca", tls.client_ca


def _judge(
    key: str, path: Path, begins: datetime.datetime, ends: datetime.datetime, now: datetime.datetime
) -> Iterator[Finding]:
    who = (
        "senders refuse the connection"
        if key.startswith("receiver")
        else "the other side refuses the connection"
    )
    if ends <= now:
        yield Finding(
            Level.WARNING,
            "certificate-expired",
            f"{key} is valid until {ends:%Y-%m-%d %H:%M} UTC, which is over",
            f"go on without it: {who}, and objects wait in the spool",
            "renew it; the files are read again without a restart",
            where=str(path),
        )
    elif begins > now:
        yield Finding(
            Level.WARNING,
            "certificate-not-yet",
            f"{key} is valid from {begins:%Y-%m-%d %H:%M} UTC, which is to come",
            f"go on without it: {who}",
            "set the clock, or wait",
            where=str(path),
        )
    elif ends - now < SOON and ends - begins > 2 * SOON:  # short-lived ones renew themselves
        yield Finding(
            Level.WARNING,
            "certificate-ends-soon",
            f"{key} is valid until {ends:%Y-%m-%d %H:%M} UTC: {(ends - now).days} days more",
            "go on until then",
            "renew it",
            where=str(path),
        )


def _readable(key: str, path: Path) -> Iterator[Finding]:
    hidden = unseen(key, path)
    if hidden is not None:
        yield hidden
        return
    try:
        path.open("rb").close()
    except OSError as error:
        yield _missing(key, path, error)


def _missing(key: str, path: Path, error: OSError) -> Finding:
    return Finding(
        Level.UNUSABLE,
        "file-unreadable",
        f"{key}: {path} cannot be read: {error.strerror}",
        "refuse to start",
        f"correct {key}, or the file's permissions",
        where=str(path),
    )


def _unusable(code: str, error: ConfigError) -> Finding:
    return Finding(
        Level.UNUSABLE,
        code,
        error.message,
        "refuse to start",
        error.hint or "correct it, or the key that names it",
    )
