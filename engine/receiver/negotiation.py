"""What we accept of an A-ASSOCIATE-RQ, and the A-ASSOCIATE-AC that says so (PS3.8 section 9.3.3, PS3.7
annex D.3)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import (
    ApplicationContextItem,
    AsynchronousOperationsWindowSubItem,
    ImplementationClassUIDSubItem,
    ImplementationVersionNameSubItem,
    MaximumLengthSubItem,
    PresentationContextItemAC,
    PresentationContextItemRQ,
    TransferSyntaxSubItem,
    UserIdentitySubItemAC,
    UserIdentitySubItemRQ,
    UserInformationItem,
)

from engine.dicom.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from engine.dicom.transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, transfer_syntaxes
from engine.receiver.request import Caller, RequestError

DICOM_APPLICATION = "1.2.840.10008.3.1.1.1"
COMPRESSED = ("1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.8.")
UNCOMPRESSED = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG})
VERIFICATION = "1.2.840.10008.1.1"
STANDARD_ROOT = "1.2.840.10008."
COMPOSITE_STORAGE = "1.2.840.10008.5.1.4.1.1."
OTHER_STORAGE = frozenset(
    {"1.2.840.10008.5.1.4.34.7", "1.2.840.10008.5.1.4.34.10"}
)  # RT delivery instructions
ACCEPTED, NO_REASON, ABSTRACT_NOT_SUPPORTED, TRANSFER_NOT_SUPPORTED = 0, 2, 3, 4
MAX_WINDOW = 32
_UID = re.compile(r"[0-9.]{1,64}")


@dataclass(frozen=True, slots=True)
class Context:
    """What a presentation context ID stands for on this association."""

    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Negotiated:
    """`contexts` by ID, accepted ones alone; `max_length`: the longest PDU that the peer takes (0 = any);
    `window`: how many requests it may have outstanding; `answer`: the A-ASSOCIATE-AC."""

    contexts: dict[int, Context]
    max_length: int
    window: int
    answer: bytes


def is_stored(sop_class: str) -> bool:
    """Whether we take objects of this class: every composite storage class of the standard, also those that
    it has yet to name, and every private class, since nobody can tell their kind by their UID. Nothing else
    of the standard's, above all not Storage Commitment: a sender would delete what we promised to keep, and
    we keep nothing."""
    return (
        sop_class.startswith(COMPOSITE_STORAGE)
        or sop_class in OTHER_STORAGE
        or not sop_class.startswith(STANDARD_ROOT)
    )


def is_readable(transfer_syntax: str) -> bool:
    """Whether a data set in this transfer syntax can be read: all of the standard's that are streams of elements.

    One that our tables do not know yet is taken for a newly named compression, which is explicit little endian
    outside of the frames (PS3.5 section A.4). A private one may be anything."""
    known = transfer_syntaxes().get(transfer_syntax)
    if known is not None:
        return known.readable
    return transfer_syntax.startswith(COMPRESSED) and _UID.fullmatch(transfer_syntax) is not None


def application_context_is_dicom(request: A_ASSOCIATE_RQ) -> bool:
    """False for a peer that speaks another application's language (PS3.7 annex A)."""
    return str(request.application_context_name) == DICOM_APPLICATION


def negotiate(
    caller: Caller, request: A_ASSOCIATE_RQ, max_length: int, syntaxes: Collection[str] = ()
) -> Negotiated:
    """Accepts what can be stored, in any transfer syntax that can be read or, where `syntaxes` are given, in these alone. Raises
    RequestError for contexts that contradict each other.

    Role selection gets no answer, so that the default roles hold (PS3.7 section D.3.3.4): we are an SCP and
    nothing else."""
    results: list[PresentationContextItemAC] = []
    contexts: dict[int, Context] = {}
    seen: set[int] = set()
    for item in request.presentation_context:
        number = item.context_id
        if number % 2 == 0 or number in seen:
            raise RequestError("presentation context IDs are not odd and unique")
        seen.add(number)
        result, context = _decide(item, syntaxes)
        if result == ACCEPTED:
            contexts[number] = context
        results.append(_context_item(number, result, context.transfer_syntax))
    if not seen:
        raise RequestError("A-ASSOCIATE-RQ proposes no presentation context")
    information = request.user_information
    window = _window(information)
    answer = A_ASSOCIATE_AC()
    answer.reserved_aet = caller.called
    answer.reserved_aec = caller.calling
    answer.variable_items = [
        _application_context(),
        *results,
        _user_information(information, max_length, window),
    ]
    peer_length = (information.maximum_length if information is not None else 0) or 0
    # A peer that takes less than a header's worth gets whole PDUs: it cannot mean what it says.
    return Negotiated(contexts, peer_length if peer_length >= 16 else 0, window or 1, answer.encode())


def _decide(item: PresentationContextItemRQ, syntaxes: Collection[str]) -> tuple[int, Context]:
    abstract = str(item.abstract_syntax or "")
    proposed = [str(uid) for uid in item.transfer_syntax]
    usable = [uid for uid in proposed if is_readable(uid)]
    if abstract == VERIFICATION:
        usable = [uid for uid in usable if uid in UNCOMPRESSED]
    elif syntaxes:
        usable = [uid for uid in usable if uid in syntaxes]
    if abstract != VERIFICATION and (not _UID.fullmatch(abstract) or not is_stored(abstract)):
        return ABSTRACT_NOT_SUPPORTED, Context(abstract, IMPLICIT_LITTLE)
    if not usable:
        return TRANSFER_NOT_SUPPORTED, Context(abstract, IMPLICIT_LITTLE)
    # The peer's order is its preference, most often what it has; big endian, long retired, only if there is
    # nothing else.
    usable.sort(key=lambda uid: uid == EXPLICIT_BIG)
    return ACCEPTED, Context(abstract, usable[0])


def _context_item(number: int, result: int, transfer_syntax: str) -> PresentationContextItemAC:
    item = PresentationContextItemAC()
    item.presentation_context_id = number
    item.result_reason = result
    syntax = TransferSyntaxSubItem()
    syntax.transfer_syntax_name = UID(transfer_syntax)
    item.transfer_syntax_sub_item = [syntax]
    return item


def _application_context() -> ApplicationContextItem:
    item = ApplicationContextItem()
    item.application_context_name = UID(DICOM_APPLICATION)
    return item


def _window(information: Any) -> int | None:
    """How many requests the peer may have outstanding; None if it did not ask (then one, PS3.7 section
    D.3.3.3)."""
    wanted = information.async_ops_window if information is not None else None
    if wanted is None:
        return None
    return min(wanted.maximum_number_operations_invoked or MAX_WINDOW, MAX_WINDOW)


def _user_information(asked: Any, max_length: int, window: int | None) -> UserInformationItem:
    length = MaximumLengthSubItem()
    length.maximum_length_received = max_length
    implementation = ImplementationClassUIDSubItem()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID.decode())
    version = ImplementationVersionNameSubItem()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME.decode()
    item = UserInformationItem()
    item.user_data = [length, implementation, version]
    if window is not None:
        operations = AsynchronousOperationsWindowSubItem()
        operations.maximum_number_operations_invoked = window
        operations.maximum_number_operations_performed = 1
        item.user_data.append(operations)
    identity = asked.user_identity if asked is not None else None
    if isinstance(identity, UserIdentitySubItemRQ) and _wants_confirmation(identity):
        item.user_data.append(_confirmation())
    return item


def _wants_confirmation(identity: UserIdentitySubItemRQ) -> bool:
    # Names and passcodes (types 1 and 2) are confirmed by an empty response; tokens (3 to 5) would need one
    # of their kind.
    return identity.positive_response_requested == 1 and identity.user_identity_type in (1, 2)


def _confirmation() -> UserIdentitySubItemAC:
    """Some senders refuse to go on without it. It grants nothing: who may send is decided by AE title and
    network."""
    item = UserIdentitySubItemAC()
    item.server_response = b""
    return item
