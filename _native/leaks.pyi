"""Manual of the leak scan core (design: rule 15)."""

from collections.abc import Iterable

from typing_extensions import Buffer

class LeakScan:
    """Patterns and hits of one object; used by the rewriter. `seconds`: that all its searches together took."""

    seconds: float

def search(
    text: Buffer, identifiers: Iterable[bytes] = (), names: Iterable[bytes] = (), uids: Iterable[bytes] = ()
) -> list[tuple[int, int, bool]]:
    """Where original values stand in `text`, as (offset, length in bytes, is it a UID), in the order of the text.

    Values may be multi-valued (backslashes); of `names` each component and word counts. Shorter than 4 bytes is not looked for.
    ASCII letters match in either case. Digits inside a longer number, letters inside a longer word and a UID inside a longer one
    are no hits; a byte beside a control character is no neighbour, but part of the header of an element.
    """
