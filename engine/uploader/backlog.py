"""What waits to be sent. The spool's folders are the truth; this only remembers which objects are in hand.

    ready ──take──▶ in hand ──done──▶ forgotten
      ▲                │
      └── put_back ────┤
      └──(time)── later┘

An object whose request failed half-way goes alone from then on, so that a bad one cannot hold up others.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from engine.spool import states
from engine.spool.layout import OBJECT_ID, PASS_ID, Spool
from engine.spool.passfile import destination_of
from engine.uploader.outgoing import Key

MOST_KNOWN = 50_000


@dataclass(slots=True)
class Record:
    """How often an object has failed by itself, and what its destination had stored by then."""

    strikes: int = 0
    delivered_then: int = -1


class Backlog:
    """Of one destination. Used by one event loop. At most MOST_KNOWN objects are remembered; a later scan finds the rest.
    `emptied` is set when the last known object is done.
    """

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._most = most
        self._ready: deque[Key] = deque()
        self._known: set[Key] = set()
        self._later: list[tuple[float, int, Key]] = []
        self._turn = 0
        self._records: dict[Key, Record] = {}
        self._arrived = asyncio.Event()
        self.emptied = asyncio.Event()

    def __len__(self) -> int:
        """How many objects are known: ready, in hand, or to be tried later."""
        return len(self._known)

    def offer(self, keys: Iterable[Key]) -> int:
        """Objects that were said to be ready. Known ones are passed over; how many were new."""
        new = 0
        for key in keys:
            if len(self._known) >= self._most:
                break
            if key not in self._known:
                self._known.add(key)
                self._ready.append(key)
                new += 1
        if new:
            self._arrived.set()
        return new

    async def wait(self) -> None:
        """Return when something is ready."""
        while not self._due():
            self._arrived.clear()
            wait = self._later[0][0] - _now() if self._later else None
            try:
                async with asyncio.timeout(wait):
                    await self._arrived.wait()
            except TimeoutError:
                continue

    def take(self) -> Key | None:
        """The next object, now in hand; None if nothing is ready."""
        return self._ready.popleft() if self._due() else None

    def put_back(self, keys: Iterable[Key]) -> None:
        """Objects in hand that were not delivered, through no fault of their own; they come first again."""
        self._ready.extendleft(reversed(list(keys)))
        self._arrived.set()

    def later(self, key: Key, seconds: float) -> None:
        """An object in hand that shall be ready again in so many seconds, and go alone from then on."""
        self._records.setdefault(key, Record())
        self._turn += 1
        heapq.heappush(self._later, (_now() + seconds, self._turn, key))
        self._arrived.set()

    def strike(self, key: Key, delivered: int) -> int:
        """An object in hand has failed by itself; how often by now.

        A strike counts only if others were delivered since the last: `delivered` counts them. When nothing
        gets through, the fault is not the object's.
        """
        record = self._records.setdefault(key, Record())
        if delivered > record.delivered_then:
            record.strikes += 1
            record.delivered_then = delivered
        return record.strikes

    def goes_alone(self, key: Key) -> bool:
        """Whether the object was in a request that failed, and is sent in one of its own."""
        return key in self._records

    def done(self, key: Key) -> None:
        """An object in hand that was delivered, quarantined, or is gone."""
        self._known.discard(key)
        self._records.pop(key, None)
        if not self._known:
            self.emptied.set()

    def _due(self) -> bool:
        while self._later and self._later[0][0] <= _now():
            self._ready.append(heapq.heappop(self._later)[2])
        return bool(self._ready)


def scan(spool: Spool, most: int = MOST_KNOWN) -> dict[str, list[Key]]:
    """The objects that have a plan and an original, up to `most` for each destination, so that one that takes nothing hides
    nobody else's. Blocks while it reads the folders.
    """
    found: dict[str, list[Key]] = {}
    for pass_id in states.passes(spool):
        keys = found.setdefault(destination_of(spool, pass_id), [])
        if len(keys) >= most:
            continue
        keys += [
            Key(pass_id, seen.identifier)
            for seen in states.observe_pass(spool, pass_id)
            if seen.state is states.State.READY
        ]
    return {name: keys[:most] for name, keys in found.items()}


def parse_hint(word: str) -> Key | None:
    """The object of a hint `<pass>/<id>`; None for what is not one."""
    pass_id, _, identifier = word.partition("/")
    if PASS_ID.fullmatch(pass_id) and OBJECT_ID.fullmatch(identifier):
        return Key(pass_id, identifier)
    return None


def _now() -> float:
    return asyncio.get_running_loop().time()
