"""Association negotiation as requestor (PS3.8 section 7.1): what we propose, and what the peer made of it.
Encoded and decoded by pynetdicom's PDU classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext, build_context

from engine.dicom.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from engine.errors import TransportError

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
MAX_LENGTH = 131072
LARGEST_PDU = 1 << 20
MAX_CONTEXTS = 128


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both sides may do. `contexts` maps (SOP class, transfer syntax) to a presentation context ID;
    `max_length` is the longest PDU, in bytes, that the peer takes; `window` the operations that may be
    outstanding."""

    contexts: dict[tuple[str, str], int]
    max_length: int
    window: int


def propose(
    called: str, calling: str, pairs: Iterable[tuple[str, str]], window: int
) -> tuple[bytes, dict[int, tuple[str, str]]]:
    """An A-ASSOCIATE-RQ with one context for each (SOP class, transfer syntax), and the pair that each ID
    stands for.

    One transfer syntax a context, because a file is sent as it is: a peer that chose another would get
    nothing."""
    wanted = list(pairs)
    if len(wanted) > MAX_CONTEXTS:
        raise TransportError(
            "too-many-contexts",
            f"the files have {len(wanted)} combinations of SOP class and transfer syntax; "
            f"an association has room for {MAX_CONTEXTS}",
            hint="send them in several runs",
        )
    request = A_ASSOCIATE()
    request.application_context_name = UID(APPLICATION_CONTEXT)
    request.calling_ae_title = calling
    request.called_ae_title = called
    request.calling_presentation_address = None
    request.called_presentation_address = None
    meaning: dict[int, tuple[str, str]] = {}
    contexts: list[PresentationContext] = []
    for index, (sop_class, syntax) in enumerate(wanted):
        context = build_context(UID(sop_class), UID(syntax))
        context.context_id = 2 * index + 1
        contexts.append(context)
        meaning[2 * index + 1] = (sop_class, syntax)
    request.presentation_context_definition_list = contexts
    request.user_information = _user_information(window)
    return A_ASSOCIATE_RQ(request).encode(), meaning


def _user_information(window: int) -> list[object]:
    length = MaximumLengthNotification()
    length.maximum_length_received = MAX_LENGTH
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID.decode())
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME.decode()
    items: list[object] = [length, implementation, version]
    if window != 1:
        operations = AsynchronousOperationsWindowNegotiation()
        operations.maximum_number_operations_invoked = window
        operations.maximum_number_operations_performed = 1
        items.append(operations)
    return items


def agreed(pdu: bytes, meaning: dict[int, tuple[str, str]]) -> Agreement:
    """What an A-ASSOCIATE-AC grants."""
    answer = A_ASSOCIATE_AC()
    answer.decode(pdu)
    contexts = {
        meaning[c.context_id]: c.context_id
        for c in answer.presentation_context
        if c.result == 0 and c.context_id in meaning
    }
    information = answer.user_information
    length = information.maximum_length if information is not None else 0
    window = information.async_ops_window if information is not None else None
    invoked = 1 if window is None else window.maximum_number_operations_invoked
    return Agreement(contexts, min(length or LARGEST_PDU, LARGEST_PDU), invoked or 65535)


REJECTIONS: dict[tuple[int, int], tuple[str, str]] = {
    (1, 2): ("application-context", "ask the peer's vendor: it does not speak DICOM's application context"),
    (1, 3): (
        "calling-not-recognized",
        "add this AE title and address to the peer's list of known callers, or give --calling",
    ),
    (1, 7): ("called-not-recognized", "ask for the peer's own AE title and give it as --called"),
    (2, 2): ("protocol-version", "ask the peer's vendor: it does not speak version 1 of the protocol"),
    (3, 1): ("temporary-congestion", "try again later"),
    (3, 2): (
        "local-limit-exceeded",
        "the peer is full or has too many associations: try again later, or with fewer --associations",
    ),
}
WORDS = {
    "calling-not-recognized": "it does not know the calling AE title",
    "called-not-recognized": "the called AE title is not its own",
    "temporary-congestion": "it is congested",
    "local-limit-exceeded": "a limit of its own is reached",
    "application-context": "it does not support the application context",
    "protocol-version": "it does not support the protocol version",
}


def rejection(pdu: bytes, where: str, called: str, calling: str) -> TransportError:
    """The A-ASSOCIATE-RJ as an error that says what to do."""
    answer = A_ASSOCIATE_RJ()
    answer.decode(pdu)
    code, hint = REJECTIONS.get(
        (answer.source, answer.reason_diagnostic), ("no-reason-given", "ask whoever runs the peer why")
    )
    reason = WORDS.get(code, "it gave no reason")
    return TransportError(
        f"rejected-{code}",
        f"{where} rejected the association of {calling} with {called}: {reason} "
        f"(result {answer.result}, source {answer.source}, reason {answer.reason_diagnostic})",
        hint=hint,
        retryable=answer.result == 2,
    )
