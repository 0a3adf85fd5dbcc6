"""The hash secrets of a worker: the one in force, and those that open passes were begun under."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.config import GatewayConfig
from engine.errors import ConfigError
from engine.keeper.client import fetch_secrets
from engine.pseudonymize.identity import HashSecret
from engine.spool.layout import Spool

FETCH_SECONDS = 5.0

Fetch = Callable[[float | None], tuple[HashSecret, ...]]
"""Every version, the one in force first; waits so many seconds for them, without end if None. Raises ConfigError."""


@dataclass(slots=True)
class Keyring:
    """`of` asks again for a secret that it does not have: the platform may have rotated it since."""

    fetch: Fetch
    held: dict[str, HashSecret] = field(default_factory=dict)
    current: str = ""

    @classmethod
    def holding(cls, secret: HashSecret) -> Keyring:
        """One that has this secret and no other."""
        made = cls(lambda _wait: (secret,))
        made.load(None)
        return made

    def load(self, wait: float | None) -> None:
        """Take what there is now. Raises ConfigError."""
        versions = self.fetch(wait)
        self.held = {one.key_id: one for one in versions}
        self.current = versions[0].key_id

    def of(self, key_id: str) -> HashSecret:
        """That secret; "" is the one in force. OSError (EAGAIN) when it is not to be had now: the job can wait."""
        wanted = key_id or self.current
        if wanted not in self.held:
            try:
                self.load(FETCH_SECONDS)
            except ConfigError as problem:
                raise OSError(errno.EAGAIN, problem.code) from problem
        if wanted not in self.held:
            raise OSError(errno.EAGAIN, "no such secret")
        return self.held[wanted]


def keyring(config: GatewayConfig, spool: Spool) -> Keyring:
    """From the configured file, or from the keeper. Nothing is read yet."""
    path = config.identity.secret_file
    if path is not None:
        return Keyring(lambda _wait: (HashSecret.load(path),))
    return Keyring(lambda wait: fetch_secrets(spool.run, wait).versions)
