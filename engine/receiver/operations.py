"""The DIMSE service provider of one association: command sets to operations, operations to answers (PS3.7
sections 9.1 and 9.3)."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Sequence

from engine import log
from engine._native.upper_layer import Command, decode_command
from engine.receiver import replies
from engine.receiver.doubles import Doubles, compare
from engine.receiver.negotiation import VERIFICATION, Context, Negotiated
from engine.receiver.objects import Immediate, Store
from engine.receiver.replies import Refused
from engine.receiver.services import Services
from engine.receiver.slowing import STEP, Debt
from engine.spool.layout import object_id

_LOG = log.get("receiver")


class ContextError(ValueError):
    """A message in a presentation context that was not accepted, or one that only an SCU may get."""


class Operations:
    """`send(reply)` gets each answer as soon as it is due, which is after the disk for a C-STORE; then
    `answered()` is called.

    `due` counts the answers that are still to come, also those that are held back; `inside` tells whether a data set is on its
    way."""

    def __init__(
        self,
        services: Services,
        identifier: str,
        peer: int,
        calling: str,
        agreed: Negotiated,
        send: Callable[[bytes], None],
        answered: Callable[[], None],
    ) -> None:
        self._services = services
        self._identifier = identifier
        self._number = peer
        self._peer = services.peers[peer]
        self._calling = calling
        self._answered_at = services.observer.now()
        self._agreed = agreed
        self._send = send
        self._answered = answered
        self._current: Store | Immediate | None = None
        self._sequence = 0
        self._doubles = Doubles()
        self._debt = Debt()
        self._held: deque[tuple[bytes, asyncio.TimerHandle]] = deque()
        self.due = 0
        self.stored = 0

    @property
    def inside(self) -> bool:
        return self._current is not None

    def command(self, data: bytes, context_id: int) -> bool:
        """Begins the operation that a command set asks for; True if a data set follows.

        Raises MalformedCommand and ContextError."""
        command = decode_command(data)
        context = self._agreed.contexts.get(context_id)
        if context is None or command.field & replies.RESPONSE:
            raise ContextError("the message does not belong into its presentation context")
        if command.field == replies.C_CANCEL_RQ:
            return False  # of an operation that we never began; it has no response (PS3.7 section 9.3.2.3)
        self._current = self._operation(command, context_id, context)
        if command.data_set_type == replies.NO_DATA_SET:
            self._end()
            return False
        return True

    def data(self, spans: Sequence[memoryview], *, complete: bool) -> None:
        """The next part of the data set that `command` announced."""
        if self._current is None:
            raise ContextError("a data set without an operation")
        self._current.take(spans)
        if complete:
            self._end()

    def abandon(self) -> None:
        """The association is over: what is not whole leaves nothing behind."""
        if self._current is not None:
            self._current.abandon()
            self._current = None
        self.let_go()

    def let_go(self) -> None:
        """Gives every answer that is held back."""
        while self._held:
            self._held[0][1].cancel()
            self._give()

    def slowed_inside(self) -> float:
        """Seconds for which nothing more should be read of the object on its way; 0.0 for none, or not yet."""
        current = self._current
        if not isinstance(current, Store) or current.size - current.charged < STEP:
            return 0.0
        wait = self._charge(current)
        current.paused(wait)
        return wait

    def crawls(self, now: float) -> bool:
        """True if the object on its way comes too slowly to be let go on."""
        limits = self._services.limits
        return self._current is not None and self._current.crawls(now, limits.idle, limits.slowest)

    def _operation(self, command: Command, context_id: int, context: Context) -> Store | Immediate:
        if command.field == replies.C_STORE_RQ and context.abstract_syntax != VERIFICATION:
            name = object_id(self._identifier, self._sequence)
            self._sequence += 1
            return self._store(name, context_id, context, command)
        length = self._agreed.max_length
        if command.field == replies.C_ECHO_RQ:
            reply = replies.echo_response(context_id, command.message_id, context.abstract_syntax, length)
        else:
            reply = replies.unrecognized(context_id, command.message_id, command.field, length)
        return Immediate(lambda: self._answer(reply))

    def _store(self, name: str, context_id: int, context: Context, command: Command) -> Store:
        intake = self._services.intake
        store = Store(intake, name, self._calling, context_id, context, command, self._answer_store)
        earlier = self._doubles.earlier(store.sop_instance)
        if earlier is not None:
            store.check = functools.partial(compare, self._services.spool, earlier, name)
        return store

    def _end(self) -> None:
        operation, self._current = self._current, None
        if operation is not None:
            self.due += 1
            operation.end()

    def _answer_store(self, store: Store, refused: Refused | None) -> None:
        counters = self._services.counters
        self._observe(store)
        counters.answers(refused.status if refused else 0).add()
        if refused is None:
            self.stored += 1
            self._doubles.note(store.sop_instance, store.identifier)
            counters.objects.add()
            counters.bytes.add(store.size)
            self._peer.objects.add()
            self._peer.bytes.add(store.size)
        else:
            self._peer.refused.add()
            why = refused.name.lower()
            _LOG.warning("object-refused", object=store.identifier, why=why, status=f"{refused.status:04X}")
        reply = replies.store_response(store, refused, self._agreed.max_length)
        wait = self._charge(store) if refused is None else 0.0
        if wait:
            timer = asyncio.get_running_loop().call_later(wait, self._give)
            self._held.append((reply, timer))
        else:
            self._answer(reply)

    def _charge(self, store: Store) -> float:
        """What the bytes of the object that are not charged yet cost this association, in seconds from now on."""
        size, store.charged = store.size - store.charged, store.size
        wait = self._services.brake.wait(self._debt, self._number, size)
        if wait:
            self._peer.slowed.add(wait)
            self._services.observer.held(wait)
        return wait

    def _give(self) -> None:
        """The oldest answer that is held back."""
        reply, _ = self._held.popleft()
        self._answered_at = self._services.observer.now()
        self._answer(reply)

    def _observe(self, store: Store) -> None:
        observer = self._services.observer
        now = observer.now()
        observer.object(store.started - self._answered_at, store.ended - store.started, now - store.ended)
        self._answered_at = now

    def _answer(self, reply: bytes) -> None:
        self.due -= 1
        self._send(reply)
        self._answered()
