"""Who is signing in, and who is signed in: in the memory of this process alone, and not many.

A sign-in that is under way is bound to one browser by a cookie; its state comes back with the code, its verifier never
leaves this process except to the platform.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.calculator.asking import Ticket

SIGN_IN_SECONDS = 600.0
IDLE_SECONDS = 1800.0
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class SignIn:
    """One that is under way."""

    state: str = field(repr=False)
    verifier: str = field(repr=False)
    begun: float

    @property
    def challenge(self) -> str:
        """SHA-256 of the verifier, base64url (RFC 7636)."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


@dataclass(slots=True)
class Session:
    """Somebody who is signed in here."""

    ticket: Ticket
    csrf: str = field(repr=False)
    ends: float
    seen: float


class People:
    """Keeps at most so many of each; the oldest go first. One thread uses it. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._signing_in: OrderedDict[str, SignIn] = OrderedDict()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def begin(self) -> tuple[str, SignIn]:
        """A sign-in, and the cookie of the browser that it belongs to."""
        cookie = secrets.token_urlsafe(32)
        made = SignIn(secrets.token_urlsafe(32), secrets.token_urlsafe(32), self._clock())
        self._signing_in[_digest(cookie)] = made
        while len(self._signing_in) > _MOST:
            self._signing_in.popitem(last=False)
        return cookie, made

    def take(self, cookie: str, state: str) -> SignIn | None:
        """The sign-in of this browser, if the state is its own and it is not too old; it can be taken once."""
        found = self._signing_in.get(_digest(cookie))
        if found is None or not hmac.compare_digest(found.state.encode(), state.encode("utf-8", "replace")):
            return None
        del self._signing_in[_digest(cookie)]
        return found if self._clock() - found.begun < SIGN_IN_SECONDS else None

    def enter(self, ticket: Ticket) -> str:
        """Begin a session; its cookie."""
        cookie, now = secrets.token_urlsafe(32), self._clock()
        self._sessions[_digest(cookie)] = Session(
            ticket, secrets.token_urlsafe(32), now + ticket.seconds, now
        )
        while len(self._sessions) > _MOST:
            self._sessions.popitem(last=False)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Who the cookie is, or None if nobody, or no longer."""
        found, now = self._sessions.get(_digest(cookie)), self._clock()
        if found is None:
            return None
        if now >= found.ends or now - found.seen >= IDLE_SECONDS:
            del self._sessions[_digest(cookie)]
            return None
        found.seen = now
        return found

    def leave(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(cookie), None)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()
