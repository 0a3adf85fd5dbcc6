"""Who may associate now: the answers of A-ASSOCIATE-RJ (PS3.8 table 9-21) to strangers, to wrong numbers,
and to everybody while we are full."""

from __future__ import annotations

from enum import Enum

from engine.config.gateway import SpoolConfig
from engine.config.receiver import ReceiverConfig
from engine.receiver.request import Caller
from engine.spool.budget import Budget


class Rejection(Enum):
    """(result, source, reason/diag.)"""

    PROTOCOL_VERSION = (1, 2, 2)
    APPLICATION_CONTEXT = (1, 1, 2)
    CALLING_NOT_RECOGNIZED = (1, 1, 3)
    CALLED_NOT_RECOGNIZED = (1, 1, 7)
    LOCAL_LIMIT_EXCEEDED = (2, 3, 2)


def known_peer(config: ReceiverConfig, caller: Caller, address: str, *, secured: bool = False) -> int | None:
    """The number of the first configured peer that this caller is; None for a stranger. Without peers
    everybody is one."""
    for index, peer in enumerate(config.peers):
        if caller.calling and peer.admits(caller.calling, address, secured=secured):
            return index
    return None


def who(config: ReceiverConfig, caller: Caller, address: str, *, secured: bool = False) -> Rejection | int:
    """The configured peer's number, or why not; `secured`: it came by TLS. The caller is looked at first: a stranger shall not
    learn our title."""
    if caller.protocol_version & 1 == 0:
        return Rejection.PROTOCOL_VERSION
    peer = known_peer(config, caller, address, secured=secured)
    if peer is None:
        return Rejection.CALLING_NOT_RECOGNIZED
    if caller.called != config.ae_title.strip(" "):
        return Rejection.CALLED_NOT_RECOGNIZED
    return peer


class Gate:
    """Closed from the high-water mark until the spool is below the low-water mark; open associations go on
    meanwhile."""

    def __init__(self, config: SpoolConfig, budget: Budget) -> None:
        self._config = config
        self._budget = budget
        self._closed = False

    def is_open(self) -> bool:
        used = self._budget.fraction
        self._closed = used >= (self._config.low_water if self._closed else self._config.high_water)
        return not self._closed
