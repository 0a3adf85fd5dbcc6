"""The bounds of the receiver: what a peer may hold, and for how long. Fixed, because no site needs others;
a value, so that tests can."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, bytes and counts, for each receiver process."""

    acse: float = 30.0  # from the connection to a whole A-ASSOCIATE-RQ (ARTIM, PS3.8 section 9.1.5)
    handshake: float = 10.0  # from the connection to the end of the TLS handshake
    idle: float = 60.0  # without a whole PDU from the peer; bytes alone are no progress
    closing: float = 5.0  # until the peer closes what is over
    drain: float = 20.0  # until associations that never pause are aborted at shutdown
    drain_idle: float = 3.0  # until associations with nothing under way are
    slowest: int = 1024  # bytes a second that an object must keep up once it is older than `idle`
    associations: int = 256
    connections: int = 2048  # associations, and callers that are not one yet
    handshakes: int = 256  # under way at once; the oldest makes room
    buffer: int = 512 * 1024  # for one read from a socket; one for the whole process
    sweep: float = 0.5  # how often deadlines are looked at
