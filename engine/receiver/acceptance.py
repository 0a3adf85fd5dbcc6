"""AE-6: what becomes of an A-ASSOCIATE-RQ."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from engine import log
from engine.receiver.admission import Rejection, who
from engine.receiver.negotiation import Negotiated, application_context_is_dicom, negotiate
from engine.receiver.request import decode_request, read_caller
from engine.receiver.services import Services
from engine.spool import associations

_LOG = log.get("receiver")


@dataclass(frozen=True, slots=True)
class Accepted:
    """`identifier` names the association in the spool, `peer` is the number of the configured peer that
    called, `calling` its AE title."""

    identifier: str
    peer: int
    calling: str
    agreed: Negotiated

    @property
    def window(self) -> int:
        return self.agreed.window


def decide(services: Services, pdu: bytes, address: str, *, secured: bool = False) -> Accepted | Rejection:
    """Accepts or rejects; when it accepts, the passes that this association feeds are held. Raises
    RequestError.

    Strangers are turned away before anything of variable length is looked at."""
    config = services.config.receiver
    caller = read_caller(pdu)
    peer = who(config, caller, address, secured=secured)
    if isinstance(peer, Rejection):
        return peer
    if _is_full(services) or not services.peers[peer].admits():
        return Rejection.LOCAL_LIMIT_EXCEEDED
    request = decode_request(pdu)
    if not application_context_is_dicom(request):
        return Rejection.APPLICATION_CONTEXT
    agreed = negotiate(caller, request, config.max_pdu, config.transfer_syntaxes)
    identifier = f"{services.process:02x}{secrets.token_hex(7)}"
    try:
        associations.hold(services.spool, identifier)
    except OSError as error:
        _LOG.failure("association-not-noted", error)
        return Rejection.LOCAL_LIMIT_EXCEEDED
    return Accepted(identifier, peer, caller.calling, agreed)


def _is_full(services: Services) -> bool:
    open_now = sum(1 for association in services.connections if association.is_open)
    return (
        services.draining
        or services.intake.broken
        or open_now >= services.limits.associations
        or not services.gate.is_open()
    )
