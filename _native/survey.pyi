"""Manual of the survey core. Offsets, lengths and `head` are those of the reader core."""

from collections.abc import Iterable

from typing_extensions import Buffer

class Wanted:
    """A set of at most 64 attributes to look for, made once for many surveys; ValueError for more. What `apart` holds is wanted
    too, and differs between objects that are otherwise alike."""

    def __init__(self, tags: Iterable[int], apart: int | None = None) -> None: ...

class Survey:
    """Values found by `survey`: `elements` counts the top-level elements passed, `end` is where the walk stopped. Two surveys
    have the same `key` where they found the same values in the same order, that of `apart` aside."""

    key: bytes
    elements: int
    end: int
    def get(self, tag: int) -> bytes | None:
        """The raw value of a wanted attribute without leading and trailing spaces and NULs; None if it is absent. Of an
        attribute that is repeated, the last."""
    def raw(self, tag: int) -> bytes | None:
        """The same as it stands there, for binary values; of a sequence the bytes of its items."""

def survey(
    head: Buffer, total: int, start: int, syntax: int, wanted: Iterable[int] | Wanted, last: int = 0xFFFFFFFF
) -> Survey:
    """Walks the top level from `start` (bits of `syntax`: 1 explicit VR, 2 big endian) to the body or to the first tag above
    `last`, and keeps the values of at most 64 `wanted` tags. Raises `NeedMore` or `Refused`; ValueError for too many tags."""
