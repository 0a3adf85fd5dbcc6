"""One C-STORE operation: from its command set to its status. It knows neither sockets nor associations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from engine._native.upper_layer import Command
from engine.dicom.file_meta import file_meta
from engine.errors import SpoolError
from engine.receiver.negotiation import Context
from engine.receiver.opening import LOOK, sop_uids
from engine.receiver.replies import NO_DATA_SET, Refused
from engine.spool.intake import Incoming, Intake

_BY_CODE = {
    "spool-full": Refused.SPOOL_FULL,
    "disk-full": Refused.SPOOL_FULL,
    "quota-exceeded": Refused.SPOOL_FULL,
    "object-too-large": Refused.TOO_LARGE,
    "conflicting-double": Refused.DOUBLE,
}

Finish = Callable[["Store", Refused | None], None]


class Store:
    """An object on its way to the spool, from the caller with the AE title `calling`.

    `take` each part of its data set, then `end`. `check` may refuse it when it is whole, before it is
    durable. `finish(store, refused)` is called once, on the event loop: in `end`, or later when the object
    is durable. A store that is refused takes the rest of its data set too, and drops it: the peer cannot be
    stopped inside."""

    __slots__ = (
        "_calling",
        "_finish",
        "_incoming",
        "_intake",
        "_opening",
        "_refused",
        "charged",
        "check",
        "context",
        "context_id",
        "ended",
        "identifier",
        "message_id",
        "size",
        "sop_class",
        "sop_instance",
        "started",
    )

    def __init__(
        self,
        intake: Intake,
        identifier: str,
        calling: str,
        context_id: int,
        context: Context,
        command: Command,
        finish: Finish,
    ) -> None:
        self.identifier = identifier
        self.context_id = context_id
        self.context = context
        self.message_id = command.message_id
        self.sop_class = command.sop_class_uid
        self.sop_instance = command.sop_instance_uid
        self.size = 0
        self.charged = 0  # of them, by `slowing`
        self.check: Callable[[], SpoolError | None] | None = None
        self._calling = calling
        self._intake = intake
        self._finish = finish
        self._incoming: Incoming | None = None
        self._opening = b""
        self.started = self.ended = time.monotonic()
        self._refused = _check(command, context)
        if self._refused is None:
            try:
                self._incoming = intake.begin(identifier)
            except SpoolError as error:
                self._refuse(error)

    def take(self, spans: Sequence[memoryview]) -> None:
        """The next bytes of the data set. The spans are used up when this returns."""
        size = 0
        for span in spans:
            size += len(span)
        incoming = self._incoming
        if incoming is None or not size:
            self.size += size
            return
        parts: Sequence[bytes | memoryview] = spans
        written = size
        if self.size < LOOK:
            for span in spans:
                self._opening += bytes(span[: LOOK - len(self._opening)])
            if self.size == 0:
                meta = file_meta(
                    self.sop_class.encode(),
                    self.sop_instance.encode(),
                    self.context.transfer_syntax.encode(),
                    self._calling.encode(),
                )
                parts = [meta, *spans]
                written += len(meta)
        self.size += size
        try:
            self._intake.write(incoming, parts, written)
        except SpoolError as error:
            self._refuse(error)

    def end(self) -> None:
        """The data set is whole."""
        self.ended = time.monotonic()
        if self._refused is None:
            self._refused = self._mismatch()
        incoming, self._incoming = self._incoming, None
        if self._refused is not None or incoming is None:
            if incoming is not None:
                self._intake.discard(incoming)
            self._finish(self, self._refused)
            return
        incoming.done = self._committed
        incoming.check = self.check
        self._intake.commit(incoming)

    def paused(self, seconds: float) -> None:
        """It is we who will not read for so long: that is no time in which the peer sends."""
        self.started += seconds

    def abandon(self) -> None:
        """The association ended inside the data set: nothing stays."""
        if self._incoming is not None:
            self._intake.discard(self._incoming)
            self._incoming = None

    def crawls(self, now: float, grace: float, slowest: int) -> bool:
        """True if after `grace` seconds the object still comes at fewer than `slowest` bytes a second."""
        age = now - self.started
        return age > grace and self.size < (age - grace) * slowest

    def _committed(self, error: SpoolError | None) -> None:
        self._finish(self, None if error is None else _refused_by(error))

    def _mismatch(self) -> Refused | None:
        if self.size == 0:
            return Refused.EMPTY
        sop_class, instance = sop_uids(self._opening, self.context.transfer_syntax)
        if sop_class is not None and sop_class != self.sop_class:
            return Refused.OTHER_CLASS
        if instance is not None and instance != self.sop_instance:
            return Refused.OTHER_INSTANCE
        return None

    def _refuse(self, error: SpoolError) -> None:
        self._refused = _refused_by(error)
        self.abandon()


class Immediate:
    """An operation whose answer is known at once: C-ECHO, and what we do not have. A data set is dropped."""

    __slots__ = ("_finish",)

    def __init__(self, finish: Callable[[], None]) -> None:
        self._finish = finish

    def take(self, spans: Sequence[memoryview]) -> None:
        """Drops them."""

    def end(self) -> None:
        self._finish()

    def abandon(self) -> None:
        """Nothing was kept."""

    def crawls(self, now: float, grace: float, slowest: int) -> bool:  # noqa: ARG002 - the idle deadline suffices
        return False


def _check(command: Command, context: Context) -> Refused | None:
    if command.data_set_type == NO_DATA_SET:
        return Refused.NO_DATA
    if not command.sop_class_uid or not command.sop_instance_uid:
        return Refused.NO_UID
    if command.sop_class_uid != context.abstract_syntax:
        return Refused.WRONG_CLASS
    return None


def _refused_by(error: SpoolError) -> Refused:
    return _BY_CODE.get(error.code, Refused.SPOOL_FAILED)
