"""Which SOP Instance UIDs a pass has seen. Only the passes that are busy are held in memory; the others lie
in their `seen` files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

MOST = 200_000  # entries held: about 60 MB


class Members:
    """SOP Instance UID → id of the first object that bore it, for each pass.

    `load(pass_id)` gives the pairs (UID, object id) that were written down for a pass before, oldest first.
    It is called for a pass that was put out of memory, or was found at a start."""

    def __init__(self, load: Callable[[str], Iterable[tuple[str, str]]], most: int = MOST) -> None:
        self._load = load
        self._most = most
        self._held: OrderedDict[str, dict[str, str]] = OrderedDict()
        self._count = 0

    def first(self, pass_id: str, sop: str) -> str | None:
        return self._of(pass_id).get(sop)

    def add(self, pass_id: str, sop: str, identifier: str) -> None:
        """The object is to be written down for the pass before `most` others are added."""
        mine = self._of(pass_id)
        if sop not in mine:
            mine[sop] = identifier
            self._count += 1

    def forget(self, pass_id: str) -> None:
        self._count -= len(self._held.pop(pass_id, {}))

    def trim(self) -> None:
        """Puts the passes that were quiet longest out of memory. Call when everything added is written down."""
        while self._count > self._most and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._count -= len(dropped)

    def _of(self, pass_id: str) -> dict[str, str]:
        mine = self._held.get(pass_id)
        if mine is None:
            mine = {}
            for sop, identifier in self._load(pass_id):
                mine.setdefault(sop, identifier)
            self._held[pass_id] = mine
            self._count += len(mine)
        self._held.move_to_end(pass_id)
        return mine
