"""What the receiver says: PDUs of fixed shape (PS3.8 section 9.3), C-STORE and C-ECHO responses (PS3.7
section 9.3), and its own words for statuses. Each reply is one bytes object, for one write."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from engine._native.upper_layer import command_pdus
from engine.dicom.status_codes import Status

C_STORE_RQ = 0x0001
C_ECHO_RQ = 0x0030
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000
NO_DATA_SET = 0x0101

A_RELEASE_RP = bytes((6, 0, 0, 0, 0, 4, 0, 0, 0, 0))


class Refused(Enum):
    """Why an object was not stored: its status and the comment that goes with it (64 characters at most,
    PS3.7 section C.4)."""

    SPOOL_FULL = (Status.OUT_OF_RESOURCES, "Spool is full, send it again later")
    SPOOL_FAILED = (Status.OUT_OF_RESOURCES, "Spool could not store it, send it again later")
    WRONG_CLASS = (
        Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
        "SOP class is not that of the presentation context",
    )
    OTHER_CLASS = (
        Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
        "Data set and command have different SOP classes",
    )
    OTHER_INSTANCE = (
        Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS,
        "Data set and command have different SOP instances",
    )
    NO_DATA = (Status.CANNOT_UNDERSTAND + 1, "C-STORE-RQ announces no data set")
    NO_UID = (Status.CANNOT_UNDERSTAND + 2, "Command lacks a valid SOP class or instance UID")
    EMPTY = (Status.CANNOT_UNDERSTAND + 3, "Data set is empty")
    TOO_LARGE = (Status.CANNOT_UNDERSTAND + 4, "Object is larger than the whole spool")
    DOUBLE = (Status.CANNOT_UNDERSTAND + 5, "Another object came under this SOP instance UID")
    NOT_SUPPORTED = (Status.UNRECOGNIZED_OPERATION, "Operation is not supported")

    @property
    def status(self) -> int:
        return int(self.value[0])

    @property
    def comment(self) -> str:
        return str(self.value[1])


def reject(result: int, source: int, reason: int) -> bytes:
    """A-ASSOCIATE-RJ (PS3.8 table 9-21)."""
    return bytes((3, 0, 0, 0, 0, 4, 0, result, source, reason))


def abort(source: int, reason: int) -> bytes:
    """A-ABORT (PS3.8 table 9-26): source 0 = service user, 2 = service provider."""
    return bytes((7, 0, 0, 0, 0, 4, 0, 0, source, reason))


class Operation(Protocol):
    """What a C-STORE-RSP repeats of its request. UIDs are "" where the request lacked or spoiled them; then
    they are left out."""

    context_id: int
    message_id: int
    sop_class: str
    sop_instance: str


def store_response(operation: Operation, refused: Refused | None, max_length: int) -> bytes:
    """C-STORE-RSP; Success if `refused` is None."""
    elements: list[tuple[int, int | str]] = [(0x0002, operation.sop_class)] if operation.sop_class else []
    elements += ((0x0100, C_STORE_RQ | RESPONSE), (0x0120, operation.message_id), (0x0800, NO_DATA_SET))
    if refused is None:
        elements.append((0x0900, int(Status.SUCCESS)))
    else:
        elements += ((0x0900, refused.status), (0x0902, refused.comment))
    if operation.sop_instance:
        elements.append((0x1000, operation.sop_instance))
    return command_pdus(operation.context_id, elements, max_length)


def echo_response(context_id: int, message_id: int, sop_class: str, max_length: int) -> bytes:
    """C-ECHO-RSP (PS3.7 section 9.3.5.2)."""
    elements = (
        (0x0002, sop_class),
        (0x0100, C_ECHO_RQ | RESPONSE),
        (0x0120, message_id),
        (0x0800, NO_DATA_SET),
        (0x0900, int(Status.SUCCESS)),
    )
    return command_pdus(context_id, elements, max_length)


def unrecognized(context_id: int, message_id: int, field: int, max_length: int) -> bytes:
    """The answer to an operation that we do not have (PS3.7 annex C.5.24)."""
    elements = (
        (0x0100, (field | RESPONSE) & 0xFFFF),
        (0x0120, message_id),
        (0x0800, NO_DATA_SET),
        (0x0900, Refused.NOT_SUPPORTED.status),
        (0x0902, Refused.NOT_SUPPORTED.comment),
    )
    return command_pdus(context_id, elements, max_length)
