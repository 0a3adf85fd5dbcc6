"""Manual of the reader core.

All offsets and lengths are bytes. A `head` is any C-contiguous buffer that holds the object from its first byte on; `total`
is the size of the whole object, at least `len(head)`.
"""

from collections.abc import Container
from typing import Final

from typing_extensions import Buffer

REASONS: Final[dict[int, tuple[str, str]]]

class Refused(Exception):
    """The object cannot be treated with certainty. `code` is one of the codes in `REASONS`, or `empty`, `not-dicom`,
    `unknown-transfer-syntax`."""

    code: str
    message: str
    offset: int
    tag: int | None
    def __init__(self, code: str, message: str, offset: int, tag: int | None = None) -> None: ...

class NeedMore(Exception):
    """Call again with a buffer of at least `upto` bytes of the object; at most `total`. Raised only while `len(head) < total`."""

    upto: int
    def __init__(self, upto: int) -> None: ...

class Meta:
    """What stands before the data set, and how the data set is really written. Texts are "" where they are absent;
    `source_ae_title` is Source Application Entity Title (0002,0016), which the gateway's receiver writes: the calling AE title."""

    transfer_syntax: str
    sop_class_uid: str
    sop_instance_uid: str
    source_ae_title: str
    start: int
    syntax: int
    deflated: bool
    encapsulated: bool

def read_meta(head: Buffer, total: int) -> Meta:
    """Reads preamble and file meta (PS3.10 7.1). A missing preamble and a wrong group length are taken; between implicit and
    explicit VR little endian the first element decides, since writers confuse them.

    Raises `NeedMore`, or `Refused` with `empty`, `not-dicom`, `truncated`, `bad-vr`, `unknown-transfer-syntax`.
    """

def fragments(window: Buffer, base: int, pos: int, total: int, syntax: int) -> tuple[int, bool]:
    """Hops over items of encapsulated PixelData (PS3.5 A.4). `window` holds the object's bytes from offset `base`; `pos` is the
    offset of an item. Returns (offset of the first item not in the window, False) or (offset behind the sequence delimiter,
    True). Raises `Refused`: `item-expected`, `truncated`."""

def walk(
    data: Buffer, start: int, syntax: int, sequences: Container[int] = ...
) -> list[tuple[int, int, str, int, int, int]]:
    """Every element, item and delimiter as (offset, tag, VR or "", length or -1, depth, offset of the value). Implicit VR
    sequences of defined length are entered only if `sequences` names their tag, since no VR tells them. Fewer than 8 bytes
    at the end are left out. Raises `Refused`; ValueError for a start behind the end."""
