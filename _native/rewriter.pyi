"""Manual of the rewriter core: head bytes and a compiled profile become a plan.

Bytes in, values out; pixel data is never read. Offsets and lengths are bytes of the source object.
"""

from collections.abc import Callable

from typing_extensions import Buffer

from engine._native.leaks import LeakScan
from engine._native.program import Program

Encode = Callable[[int, int, bytes, bytes], bytes | None]

class Plan:
    """`head`: the new data set up to the body. `body_tag`: the element at which the walk stopped ((7FE0,0008), (7FE0,0009) or
    (7FE0,0010)), None if the data set has no body; then `body_offset`, `body_header` (8 or 12) and `body_length` (None when
    undefined) say where it stands. `end`: where the walk stopped. `counts`: {action name or group-length, private, unknown,
    trailing-bytes: elements}, not to be changed, since plans share it. `leaks`: original values that stand in the new head, as
    (offset in `head`, length, is it a UID)."""

    head: bytes
    body_tag: int | None
    body_offset: int
    body_header: int
    body_length: int | None
    end: int
    counts: dict[str, int]
    leaks: list[tuple[int, int, bool]]

class Rewriter:
    """Rewrites heads by one program. Not for two threads at once.

    `encode(action, tag, value, specific character set)` gives the new value where a character set or the hash secret is
    needed; None removes the element; an exception refuses the object.
    """

    program: Program
    leaks: LeakScan
    def __init__(self, program: Program, encode: Encode) -> None: ...
    def set_pass_key(self, key: bytes) -> None:
        """Takes the key under which UIDs are replaced. ValueError unless it has 32 bytes."""

    def new_uid(self, old: bytes) -> bytes:
        """`2.25.` and the first 128 bits of HMAC-SHA-256(pass key, old) in UUID form, as a decimal; at most 44 characters."""

    def rewrite(
        self,
        head: Buffer,
        total: int,
        start: int,
        syntax: int,
        *,
        hashed_id: bytes,
        study_id: bytes,
        sop_class: bytes,
        sop_instance: bytes,
        shift_days: int = 0,
        tail: bool = False,
        scan: bool = True,
        also: tuple[bytes, ...] = (),
        charset: bytes = b"",
    ) -> Plan:
        """Rewrites the data set that begins at `start` of an object of `total` bytes, of which `head` holds the first.

        `syntax`: bits 1 explicit VR, 2 big endian. With `tail` the buffer holds what follows a body: nothing is inserted and
        the walk goes to the end. With `scan` the new head is searched for the identifiers and UIDs that were replaced, and for
        those in `also`; `charset` is the Specific Character Set in force before the first element. A tail is searched for those of the head before it as well. Raises `engine._native.reader.NeedMore`, `Refused`; ValueError for arguments out of range.
        """
