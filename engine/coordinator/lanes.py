"""Who is next: work waits in a lane for each association, and the lanes take turns, so that one sender's
migration does not hold up another's study. Turns are measured in bytes (deficit round robin), so that large
objects buy no advantage."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")

QUANTUM = 1 << 20


class Lanes(Generic[T]):
    """A queue of queues. `quantum`: bytes that a lane may take in one turn, saved up while its next item is
    larger.
    """

    def __init__(self, quantum: int = QUANTUM) -> None:
        self._quantum = quantum
        self._lanes: OrderedDict[str, deque[tuple[int, T]]] = OrderedDict()
        self._credit: dict[str, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, lane: str, size: int, item: T) -> None:
        queue = self._lanes.get(lane)
        if queue is None:
            queue = self._lanes[lane] = deque()
            self._credit[lane] = self._quantum
        queue.append((size, item))
        self._count += 1

    def peek(self) -> int | None:
        """The size of what `take` would give; None if nothing waits."""
        return self._next()[0] if self._count else None

    def take(self) -> tuple[int, T]:
        """The next item and its size. IndexError if nothing waits."""
        size, item = self._next()
        lane, queue = next(iter(self._lanes.items()))
        queue.popleft()
        self._count -= 1
        self._credit[lane] = max(self._credit[lane] - size, 0)  # one that was alone owes nothing
        if not queue:
            del self._lanes[lane], self._credit[lane]
        return size, item

    def _next(self) -> tuple[int, T]:
        """Turns the lanes until the first one has the credit for its first item."""
        if not self._count:
            raise IndexError("nothing waits")
        while True:
            lane, queue = next(iter(self._lanes.items()))
            size = queue[0][0]
            if self._credit[lane] >= size or len(self._lanes) == 1:
                return queue[0]
            self._credit[lane] += self._quantum
            self._lanes.move_to_end(lane)
