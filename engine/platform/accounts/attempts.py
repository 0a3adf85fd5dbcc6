"""Rate limits and lock-out, counted in the database: several processes of the platform share them.

What is counted is known by a hash only: a name that was typed may be a password or a Patient ID.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from engine.platform.database import Database
from engine.platform.database.connection import take_turns
from engine.platform.database.people import ATTEMPTS
from engine.platform.errors import AccountError

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` attempts in `window` seconds; then none for `pause` seconds, doubled each time up to `longest`."""

    name: str
    most: int
    window: int
    pause: int
    longest: int


# A name: after five wrong passwords a minute, then two, four … at most an hour. The count is forgotten after a day.
ACCOUNT = Limit("account", 5, 86_400, 60, 3_600)
# An address, which may be a whole hospital's: many people, few wrong passwords each.
ADDRESS = Limit("address", 50, 900, 900, 900)


class Attempts:
    """Counts attempts. Methods block and may be called from any thread and process."""

    def __init__(
        self, database: Database, *, clock: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self._database, self._clock = database, clock

    def take(self, limit: Limit, what: str) -> None:
        """Count one attempt, before it is made, so that many at once cannot all slip through.

        Raises AccountError("too-many-attempts") with `wait` when there were too many.
        """
        key, now = _key(limit, what), self._clock()
        with self._database.begin() as connection:
            take_turns(connection, f"attempts {key[:2]}")
            row = connection.execute(select(ATTEMPTS).where(ATTEMPTS.c.key == key)).one_or_none()
            if row is not None and row.until > now:
                raise too_many(-((now - row.until) // SECOND))
            count, since, until = _counted(limit, None if row is None else (row.tries, row.since), now)
            values = {"tries": count, "since": since, "until": until}
            if row is None:
                connection.execute(insert(ATTEMPTS).values(key=key, **values))
            else:
                connection.execute(update(ATTEMPTS).where(ATTEMPTS.c.key == key).values(values))

    def give_back(self, limit: Limit, what: str) -> None:
        """The attempt that was counted last was a good one and does not count."""
        key = ATTEMPTS.c.key == _key(limit, what)
        with self._database.begin() as connection:
            connection.execute(
                update(ATTEMPTS).where(key, ATTEMPTS.c.tries > 0).values(tries=ATTEMPTS.c.tries - 1, until=0)
            )

    def forget(self, limit: Limit, what: str) -> None:
        """Begin to count anew."""
        with self._database.begin() as connection:
            connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.key == _key(limit, what)))

    def sweep(self) -> None:
        """Remove what no longer matters."""
        old = self._clock() - 2 * ACCOUNT.window * SECOND
        with self._database.begin() as connection:
            connection.execute(
                delete(ATTEMPTS).where(ATTEMPTS.c.since < old, ATTEMPTS.c.until < self._clock())
            )


def too_many(seconds: int) -> AccountError:
    """The refusal of an attempt too many; the same words for every name, known or not."""
    problem = AccountError(
        "too-many-attempts", "there were too many attempts", hint=f"wait {seconds} seconds, then try again"
    )
    problem.wait = seconds
    return problem


def network(address: str) -> str:
    """What is counted for an address: an IPv6 client has a whole /64 to choose addresses from."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _counted(limit: Limit, before: tuple[int, int] | None, now: int) -> tuple[int, int, int]:
    """Count, begin of the window, and until when the next attempt is refused."""
    count, since = before or (0, now)
    if now - since > limit.window * SECOND or now < since:
        count, since = 0, now
    count += 1
    over = count - limit.most
    if over < 0:
        return count, since, 0
    pause = min(limit.longest, limit.pause << min(over, 20))
    return count, since, now + pause * SECOND


def _key(limit: Limit, what: str) -> str:
    return hashlib.sha256(f"{limit.name}\0{what}".encode("utf-8", "surrogatepass")).hexdigest()
