"""Who may speak now. A certificate says who asks; whether that instance is still the one in force stands in the database,
and is looked at for every request, with a memory of at most a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from engine import log
from engine.platform.audit import Actor, Audit
from engine.platform.gateways.authority import Subject
from engine.platform.gateways.errors import EnrolmentError
from engine.platform.gateways.registry import MICRO, Gateways, refused
from engine.platform.gateways.rows import Gateway
from engine.platform.tls import Peer

REMEMBERED_SECONDS = 1.0
SEEN_SECONDS = 30.0
TOLD_SECONDS = 60.0
_MOST_REMEMBERED = 10_000
_LOG = log.get("gateways")


@dataclass(frozen=True, slots=True)
class _Seen:
    at: float  # monotonic
    gateway: Gateway | None


class Standing:
    """Judges clients. Any thread may use it."""

    def __init__(
        self,
        gateways: Gateways,
        audit: Audit,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateways, self._audit = gateways, audit
        self._clock, self._ticks = clock, ticks
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._told: dict[tuple[str, int, str], float] = {}

    def known(self, peer: Peer) -> bool:
        """Whether `judge` needs no database for this client now, since all is well with it."""
        if not peer.gateway_id:
            return True
        seen = self._seen.get(peer.gateway_id)
        return (
            seen is not None
            and seen.gateway is not None
            and self._ticks() - seen.at < REMEMBERED_SECONDS
            and refused(seen.gateway, subject_of(peer)) is None
            and self._expired(peer) is None
            and not self._must_note(seen.gateway)
        )

    def judge(self, peer: Peer, address: str = "") -> EnrolmentError | None:
        """Why this client is refused, or None. Blocks unless it is `known`; refusals are in the audit trail, once a
        minute each. A client without a gateway's certificate is none of this room's business.
        """
        if not peer.gateway_id:
            return None
        gateway = self._gateway(peer)
        problem = refused(gateway, subject_of(peer)) or self._expired(peer)
        if problem is not None:
            self._tell(peer, problem, address)
        elif gateway is not None:
            self._note(gateway)
        return problem

    def _gateway(self, peer: Peer) -> Gateway | None:
        gateway_id = peer.gateway_id
        with self._lock:
            seen = self._seen.get(gateway_id)
            fresh = seen is not None and self._ticks() - seen.at < REMEMBERED_SECONDS
            # What does not know the client's epoch yet is older than the client, however fresh it is.
            if seen is not None and fresh and seen.gateway is not None and seen.gateway.epoch >= peer.epoch:
                return seen.gateway
        at = self._ticks()  # before it is read: the answer is at least as old
        found = self._gateways.find(gateway_id)
        with self._lock:
            if len(self._seen) >= _MOST_REMEMBERED:
                self._seen.clear()
            self._seen[gateway_id] = _Seen(at, found)
        return found

    def _expired(self, peer: Peer) -> EnrolmentError | None:
        """A connection may live longer than the certificate that it began with."""
        if self._clock() <= peer.expires:
            return None
        return EnrolmentError(
            "gateway-certificate-expired",
            "this gateway's certificate has expired",
            hint="a gateway renews it by itself; if it cannot: penstock enroll URL TOKEN --replace",
        )

    def _must_note(self, gateway: Gateway) -> bool:
        return self._clock() - (gateway.last_seen or 0) / MICRO >= SEEN_SECONDS

    def _note(self, gateway: Gateway) -> None:
        if not self._must_note(gateway):
            return
        with self._lock:
            seen = self._seen.get(gateway.gateway_id)
            if seen is None or seen.gateway is not gateway:
                return  # somebody else has noted it
            self._seen.pop(gateway.gateway_id)
        self._gateways.seen(gateway.gateway_id)

    def _tell(self, peer: Peer, problem: EnrolmentError, address: str) -> None:
        key, now = (peer.gateway_id, peer.epoch, problem.code), self._ticks()
        with self._lock:
            if now - self._told.get(key, -TOLD_SECONDS) < TOLD_SECONDS:
                return
            if len(self._told) >= _MOST_REMEMBERED:
                self._told.clear()
            self._told[key] = now
        _LOG.warning("gateway-refused", code=problem.code, id=peer.gateway_id, epoch=peer.epoch)
        self._audit.record(
            "gateway-refused",
            actor=Actor("gateway", peer.name, address),
            tenant=peer.tenant,
            outcome="refused",
            subject=peer.name,
            detail={"code": problem.code, "epoch": peer.epoch},
        )


def subject_of(peer: Peer) -> Subject:
    """Whom the client's certificate names."""
    return Subject(peer.tenant, peer.name, peer.gateway_id, peer.epoch)
