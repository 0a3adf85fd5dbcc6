"""The Upper Layer core: bytes of a connection in, events out (PS3.8 section 9.3); and the codec of command sets (PS3.7 section 6.3.1).

    stream = PduStream(max_length=131072)
    stream.feed(view, count)                   # once per recv
    while (event := stream.next()) != NEED:    # until the bytes are used up
        ...

It does no I/O. Data set fragments are not copied into objects of their own: `spans` are parts of the buffer that was fed, ready for
`os.writev`, and valid until the next `feed`. **The buffer is written to**: fragments shorter than `GATHER_BELOW` are moved together
inside it, so that a feed of N bytes never yields more than N / GATHER_BELOW + 1 spans, whatever sizes the peer chose.
Memory: the buffer is the caller's and may be shared by all connections of a thread; the stream itself keeps at most `MAX_SMALL_PDU` bytes.
"""

from collections.abc import Iterable
from typing import Final

NEED: Final[int]
"""Everything fed was taken."""
DATA: Final[int]
"""`spans` holds the next part of the data set (may be empty when `complete`)."""
COMMAND: Final[int]
"""`command` holds a whole command set and `context_id` its presentation context. Call `expect_data()` if it announces a data set."""
PDU: Final[int]
"""`pdu` holds a whole PDU that is not P-DATA-TF, header included; `pdu[0]` is its type, 1 to 7."""
VIOLATION: Final[int]
"""The peer broke the protocol; `reason` and `detail` say how. Every later `next` answers the same."""

MAX_COMMAND: Final[int]
MAX_SMALL_PDU: Final[int]
GATHER_BELOW: Final[int]

class PduStream:
    """One connection's incoming bytes. `max_length`: the Maximum Length Received that we announced, in bytes; six more are tolerated."""

    spans: list[memoryview]
    complete: bool
    command: bytes
    pdu: bytes
    context_id: int
    reason: int
    """Reason/Diag of the A-ABORT that fits (PS3.8 Table 9-26): 1 unrecognized PDU, 2 unexpected PDU, 5 unexpected parameter, 6 invalid value."""
    detail: str
    """What was broken, in words that hold nothing of what the peer sent."""
    pdus: int
    """Whole PDUs taken so far: the measure of progress."""
    data_bytes: int
    """Bytes of the data set at hand taken so far."""
    def __init__(self, max_length: int) -> None: ...
    def associate(self) -> None:
        """From now on P-DATA-TF is legal."""

    def expect_data(self) -> None:
        """The command just returned announces a data set. Without this call, a data fragment is a violation."""

    @property
    def inside_message(self) -> bool: ...
    @property
    def inside_pdu(self) -> bool: ...
    def feed(self, view: memoryview, count: int) -> None:
        """Gives the first `count` bytes of `view`, a writable contiguous memoryview of bytes.

        Raises ValueError if count is outside of the buffer, or the last feed was not used up."""

    def next(self) -> int:
        """The next event: NEED, DATA, COMMAND, PDU or VIOLATION."""

class MalformedCommand(ValueError):
    """A command set that PS3.7 section 6.3.1 does not allow; the text holds nothing of what the peer sent."""

class Command:
    """A decoded command set. Numbers are -1 and texts are empty where the element is absent."""

    field: int
    """Command Field (0000,0100): 0x0001 C-STORE-RQ, 0x0030 C-ECHO-RQ, 0x8001 C-STORE-RSP …"""
    message_id: int
    responded_to: int
    data_set_type: int
    """Command Data Set Type (0000,0800): 0x0101 = no data set follows."""
    status: int
    sop_class_uid: str
    """Affected or Requested SOP Class UID: up to 64 printable ASCII characters without space and backslash; also empty if it is
    anything else. It comes from the peer and need not be a UID (real senders have letters in theirs): never a file's name."""
    sop_instance_uid: str
    """The same of the instance."""
    comment: bytes
    """Error Comment (0000,0902), as sent, 64 bytes at most. Free text of the peer: never log it."""

def decode_command(data: bytes | bytearray | memoryview) -> Command:
    """Decodes a command set (implicit VR little endian). Raises MalformedCommand."""

def command_set(elements: Iterable[tuple[int, int | str | bytes]]) -> bytes:
    """Encodes (element, value) pairs of group 0000, which must ascend; int becomes US, str and bytes are padded. Adds the group length."""

def command_pdus(
    context_id: int, elements: Iterable[tuple[int, int | str | bytes]], max_length: int = 0
) -> bytes:
    """The command set in P-DATA-TF PDUs no longer than the peer's maximum length (0 = no limit), ready for one write."""

def data_header(context_id: int, count: int, last: bool) -> bytes:
    """The 12 bytes that make the `count` data set bytes behind them a P-DATA-TF PDU of one PDV."""
