"""One connection: bytes to events (`upper_layer`), events to actions (`states`), and what the actions do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

from engine import log
from engine._native.upper_layer import COMMAND, DATA, NEED, PDU, MalformedCommand, PduStream
from engine.receiver import replies
from engine.receiver.acceptance import Accepted, decide
from engine.receiver.operations import ContextError, Operations
from engine.receiver.request import RequestError
from engine.receiver.services import Services
from engine.receiver.states import PDU_EVENTS, TABLE, Action, Event, State
from engine.spool import associations

_LOG = log.get("receiver")

UNEXPECTED_PDU = 2
INVALID_PARAMETER = 6
MARK_SECONDS = 1.0


class Association(asyncio.BufferedProtocol):
    """The acceptor's side of one connection.

    It is in `services.connections` until nothing of it is left: no socket, no object, no answer due."""

    def __init__(self, services: Services, *, secured: bool = False) -> None:
        self._services = services
        self._secured = secured  # by TLS
        self._view = services.buffer
        self._stream = PduStream(services.config.receiver.max_pdu)
        self._state = State.STA2
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._accepted: Accepted | None = None  # while its passes have to wait for it
        self._operations: Operations | None = None
        self._how = ""  # it ended
        self._why = ""  # we ended it
        self._reason = 0
        self._full = False  # nothing is read until answers went out
        self._slowed: asyncio.TimerHandle | None = None  # nothing is read until then: the spool fills
        self._reading = True
        self._progress = time.monotonic()

    @property
    def is_open(self) -> bool:
        """An association, and not only a connection."""
        return self._accepted is not None

    @property
    def window(self) -> int:
        """How many requests it may have outstanding."""
        return 1 if self._accepted is None else self._accepted.window

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Sta2: the peer has ARTIM's time for its A-ASSOCIATE-RQ."""
        services = self._services
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its bases
        if services.draining or len(services.connections) >= services.limits.connections:
            self._why = "turned-away"
            self._transport.abort()
            return
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if peer else "0.0.0.0"  # noqa: S104 - it is gone already; no peer admits it
        services.joined(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - ours is as good for any size
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Takes everything that was read: the buffer is the next association's after this."""
        if self._over():
            return
        stream = self._stream
        before = stream.pdus
        stream.feed(self._view, nbytes)
        while not self._over() and (event := stream.next()) != NEED:
            self._take(event)
        if stream.pdus != before:
            self._progress = time.monotonic()
        operations = self._operations
        if operations is not None and self._accepted is not None and operations.due > self._accepted.window:
            self.pause_writing()
        if operations is not None and self._services.brake.is_on:
            self._slow_inside(operations)

    def eof_received(self) -> bool:
        return False  # a peer that sends nothing more is gone: PS3.8 knows no half-closed connection

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a loss is a loss
        self._transport = None
        if self._slowed is not None:
            self._slowed.cancel()
            self._slowed = None
        self._on(Event.CLOSED)
        self._leave()

    def pause_writing(self) -> None:
        """Nothing more is read until answers went out: the peer's window is used up, or it does not read
        them."""
        self._full = True
        self._read_or_not()

    def resume_writing(self) -> None:
        self._full = False
        self._read_or_not()

    def _slow_inside(self, operations: Operations) -> None:
        """A large object is slowed while it comes, by not reading it: nothing else can come in between (PS3.7 section 9.1)."""
        if self._slowed is None and (wait := operations.slowed_inside()):
            self._slowed = asyncio.get_running_loop().call_later(wait, self._read_on)
            self._read_or_not()

    def _read_on(self) -> None:
        """The object on its way was slowed for long enough."""
        self._slowed = None
        self._read_or_not()

    def _read_or_not(self) -> None:
        wanted = not self._full and self._slowed is None
        transport = self._transport
        if wanted == self._reading or transport is None or transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            transport.resume_reading()
        else:
            transport.pause_reading()

    # What the server calls.

    def look(self, now: float) -> None:
        """Ends what is past its deadline. `now` as `time.monotonic`."""
        limits = self._services.limits
        operations = self._operations
        waited = now - self._progress
        if not self._services.brake.is_on:
            self._let_go()
        if self._state is State.STA2:
            late = waited > limits.acse
        elif self._state is State.STA13:
            late = waited > limits.closing
        elif operations is None or operations.due:
            late = False  # it is we who are slow
        else:
            late = waited > limits.idle or operations.crawls(now)
        if late:
            self._why = self._why or "deadline"
            self._on(Event.EXPIRED)

    def drain(self, now: float, since: float) -> None:
        """Shutdown began at `since`: ends the association between two objects, or after `limits.drain`."""
        limits = self._services.limits
        operations = self._operations
        busy = operations is not None and (operations.inside or operations.due > 0)
        idle = not busy and now - self._progress > limits.drain_idle
        if self._state is State.STA2 or idle or now - since > limits.drain:
            self._why = self._why or "drained"
            self._on(Event.GIVE_UP)

    def _let_go(self) -> None:
        """The spool does not fill any more: nothing waits for that now."""
        if self._slowed is not None:
            self._slowed.cancel()
            self._read_on()
        if self._operations is not None:
            self._operations.let_go()

    # Events.

    def _over(self) -> bool:
        return self._state is State.STA13

    def _on(self, event: Event) -> None:
        action, self._state = TABLE[self._state, event]
        _DO[action](self)

    def _take(self, event: int) -> None:
        """One event of the stream."""
        stream = self._stream
        if event == PDU:
            self._reason = UNEXPECTED_PDU  # if the table says so
            self._on(PDU_EVENTS[stream.pdu[0]])
        elif event == COMMAND:
            self._on(Event.P_DATA)
        elif event == DATA and self._operations is not None and self._state is State.STA6:
            self._operations.data(stream.spans, complete=stream.complete)
        elif event == DATA:
            self._on(Event.P_DATA)
        else:
            self._reason = stream.reason
            self._on(Event.INVALID_PDU)

    def _answered(self) -> None:
        """One answer less is due."""
        operations, accepted = self._operations, self._accepted
        if operations is None or accepted is None:
            return
        self._progress = time.monotonic()
        if self._over():
            self._leave()
        elif self._state is State.STA8 and not operations.due:
            self._on(Event.ANSWERED)
        elif operations.due <= accepted.window:
            self.resume_writing()

    # Actions; their names are those of PS3.8 tables 9-6 to 9-9.

    def ae_6(self) -> None:
        """Accepts, or rejects, or finds that it is no request at all."""
        services = self._services
        try:
            answer = decide(services, self._stream.pdu, self._address, secured=self._secured)
        except RequestError:
            self._state, self._reason = State.STA13, INVALID_PARAMETER
            self.aa_8()
            return
        if not isinstance(answer, Accepted):
            self._state = State.STA13
            self._send(replies.reject(*answer.value))
            self._end("rejected")
            services.counters.rejected(answer.name.lower()).add()
            _LOG.warning("association-rejected", why=answer.name.lower(), address=self._address)
            return
        self._accepted = answer
        services.joined(self)
        self._operations = Operations(
            services,
            answer.identifier,
            answer.peer,
            answer.calling,
            answer.agreed,
            self._send,
            self._answered,
        )
        self._stream.associate()
        self._send(answer.agreed.answer)
        services.counters.open.add()
        services.peers[answer.peer].began()
        _LOG.info(
            "association-opened", association=answer.identifier, peer=answer.peer, address=self._address
        )

    def dt_2(self) -> None:
        if self._operations is None:
            return
        try:
            if self._operations.command(self._stream.command, self._stream.context_id):
                self._stream.expect_data()
        except MalformedCommand:
            self._on(Event.GIVE_UP)
        except ContextError:
            self._reason = INVALID_PARAMETER
            self._on(Event.INVALID_PDU)

    def ar_2(self) -> None:
        """What is being made durable is still answered."""
        if self._stream.inside_message:
            self._on(Event.INVALID_PDU)
        elif self._operations is None or not self._operations.due:
            self._on(Event.ANSWERED)

    def ar_4(self) -> None:
        self._send(replies.A_RELEASE_RP)
        self._end("released")

    def aa_1(self) -> None:
        self._send(replies.abort(0, 0))
        self._end("aborted-by-us")

    def aa_2(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._end("turned-away")

    def aa_3(self) -> None:
        if self._transport is not None:
            self._transport.close()
        self._end("aborted-by-peer")

    def aa_8(self) -> None:
        self._send(replies.abort(2, self._reason))
        self._end("violation")

    def lost(self) -> None:
        """AA-4, AA-5: the connection is gone."""
        self._end("lost")

    def nothing(self) -> None:
        """AA-6, AR-5."""

    # The end.

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing() and not self._how:
            self._transport.write(data)

    def _end(self, how: str) -> None:
        """The association is over, once; the socket may live on until the peer closes it."""
        self._progress = time.monotonic()
        if self._how:
            return
        self._how = self._why or how
        self._services.counters.ended(self._how).add()
        if self._operations is not None:
            self._operations.abandon()
        self._leave()

    def _mark(self, mark: Callable[[], None], identifier: str, *, again: bool = False) -> None:
        """Says in the spool that an association is over. While the disk refuses, its passes stay open: late, never split."""
        try:
            mark()
        except OSError as error:
            if not again:
                _LOG.failure("association-not-marked", error, association=identifier)
            loop = asyncio.get_running_loop()
            loop.call_later(MARK_SECONDS, lambda: self._mark(mark, identifier, again=True))
            return
        if again:
            _LOG.info("association-marked", association=identifier)
        self._services.hints.send((f"-{identifier}",))

    def _leave(self) -> None:
        """Lets go of the association's passes when its last object is settled, and of this when the socket
        is closed too."""
        services = self._services
        accepted, operations = self._accepted, self._operations
        if accepted is not None and self._how and (operations is None or not operations.due):
            self._accepted = None
            mark = associations.released if self._how == "released" else associations.aborted
            self._mark(lambda: mark(services.spool, accepted.identifier), accepted.identifier)
            services.counters.open.add(-1)
            services.peers[accepted.peer].ended()
            objects = operations.stored if operations is not None else 0
            _LOG.info("association-ended", association=accepted.identifier, how=self._how, objects=objects)
        if self._accepted is None and self._transport is None:
            services.left(self)


_DO: dict[Action, Callable[[Association], None]] = {
    Action.AE_6: Association.ae_6,
    Action.DT_2: Association.dt_2,
    Action.AR_2: Association.ar_2,
    Action.AR_4: Association.ar_4,
    Action.AR_5: Association.nothing,
    Action.AA_1: Association.aa_1,
    Action.AA_2: Association.aa_2,
    Action.AA_3: Association.aa_3,
    Action.AA_4: Association.lost,
    Action.AA_5: Association.lost,
    Action.AA_6: Association.nothing,
    Action.AA_8: Association.aa_8,
}
